#!/usr/bin/env python3
"""Writes archives that must not be unpacked: hostile_archives.py FOLDER

FOLDER/index.tsv has a line for each: its file's name, a tab, what the refusal has to say. Headers are made by hand,
since no archiver would. The same bytes come out each time.
"""
import bz2
import gzip
import lzma
import pathlib
import struct
import sys
import zlib

CASES = []  # name of the file, its bytes, what is said of it


def case(name, data, says):
    CASES.append((name, data, says))


# ---- tar -------------------------------------------------------------------------------------------------------------


def octal(value, width):
    return b"%0*o\0" % (width - 1, value)


def header(name, size=0, kind=b"0", link=b"", mode=0o644, magic=b"ustar\x0000", prefix=b"", checksum=None):
    block = bytearray(512)
    block[0:len(name[:100])] = name[:100]
    block[100:108] = octal(mode, 8)
    block[108:124] = octal(0, 8) * 2
    block[124:136] = octal(size, 12)
    block[136:148] = octal(1700000000, 12)
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[157:157 + len(link[:100])] = link[:100]
    block[257:265] = magic
    block[329:345] = octal(1, 8) + octal(3, 8)
    block[345:345 + len(prefix)] = prefix
    total = sum(block) if checksum is None else checksum
    block[148:156] = b"%06o\0 " % total
    return bytes(block)


def padded(data):
    return data + b"\0" * (-len(data) % 512)


def pax_record(key, value):
    body = b" " + key + b"=" + value + b"\n"
    length = len(body) + 1
    while length != len(body) + len(str(length)):
        length = len(body) + len(str(length))
    return str(length).encode() + body


def pax(fields):
    data = b"".join(pax_record(key, value) for key, value in fields.items())
    return header(b"pax", len(data), b"x") + padded(data)


def entry(name, data=b"x", kind=b"0", link=b"", mode=0o644):
    """A file, or what `kind` says; names and links of any length and of any bytes, by pax when they need it."""
    data = data if kind == b"0" else b""
    fields = {}
    if len(name) > 99:
        fields[b"path"] = name
    if len(link) > 99:
        fields[b"linkpath"] = link
    return (pax(fields) if fields else b"") + header(name, len(data), kind, link, mode) + padded(data)


def folder(name):
    return entry(name, kind=b"5", mode=0o755)


def symlink(name, to):
    return entry(name, kind=b"2", link=to, mode=0o777)


def hardlink(name, to):
    return entry(name, kind=b"1", link=to)


END = b"\0" * 1024
GOOD = entry(b"bin/server", b"#!/bin/sh\n", mode=0o755)


def tar_case(name, says, *entries):
    case(name + ".tar", GOOD + b"".join(entries) + END, says)


def tar_names():
    tar_case("dotdot", "../evil: its name has a '..'", entry(b"../evil"))
    tar_case("dotdot-within", "a/../../evil: its name has a '..'", entry(b"a/../../evil"))
    tar_case("dotdot-that-stays", "a/../b: its name has a '..'", entry(b"a/../b"))
    tar_case("dotdot-at-the-end", "bin/..: its name has a '..'", folder(b"bin/.."))
    tar_case("dotdot-by-pax", "its name has a '..'", pax({b"path": b"../../evil"}), entry(b"good"))
    tar_case("dotdot-by-prefix", "its name has a '..'", header(b"evil", prefix=b"../.."))
    tar_case("dotdot-by-long-name", "its name has a '..'", header(b"././@LongLink", 12, b"L"), padded(b"../../evil\0\0"),
             entry(b"good"))
    tar_case("absolute", "/tmp/fleet-evil: its name is absolute", entry(b"/tmp/fleet-evil"))
    tar_case("absolute-twice", "//tmp/fleet-evil: its name is absolute", entry(b"//tmp/fleet-evil"))
    tar_case("absolute-folder", "/: its name is absolute", folder(b"/"))
    tar_case("name-of-nothing", "its name is no file's name", entry(b"."))
    tar_case("newline", "a\\x0ab: its name has control characters", entry(b"a\nb"))
    tar_case("escape-sequence", "\\x1b]0;owned\\x07: its name has control characters", entry(b"\x1b]0;owned\x07"))
    tar_case("delete-character", "its name has control characters", entry(b"a\x7fb"))
    tar_case("carriage-return", "its name has control characters", entry(b"good\rbad"))
    tar_case("not-utf8", "a\\xffb: its name is not UTF-8", entry(b"a\xffb"))
    tar_case("overlong-slash", "its name is not UTF-8", entry(b"a\xc0\xafb"))
    tar_case("surrogate", "its name is not UTF-8", entry(b"a\xed\xa0\x80b"))
    tar_case("long-part", "its name is too long", entry(b"n" * 256))
    tar_case("long-path", "its name is too long", entry(b"/".join([b"d" * 200] * 21)))
    tar_case("deep", "deeper than 64 folders", entry(b"/".join([b"d"] * 65)))


def tar_clashes():
    tar_case("twice", "bin/server: it comes twice", entry(b"bin/server", b"evil"))
    tar_case("twice-but-for-dots", "it comes twice", entry(b"./bin//server", b"evil"))
    tar_case("case", "BIN/server: it clashes with bin", entry(b"BIN/server"))
    tar_case("case-of-a-file", "bin/Server: it clashes with bin/server", entry(b"bin/Server"))
    tar_case("case-of-a-folder", "it clashes with Lib", folder(b"Lib"), folder(b"lib"))
    tar_case("accents", "it clashes with", entry("caf\u00e9".encode()), entry("cafe\u0301".encode()))
    tar_case("sharp-s", "it clashes with", entry("Stra\u00dfe".encode()), entry(b"STRASSE"))
    tar_case("kelvin", "it clashes with", entry(b"k"), entry("\u212a".encode()))
    tar_case("invisible", "it clashes with", entry(b"run"), entry("r\u00adun".encode()))
    tar_case("file-then-folder", "a: it comes twice", entry(b"a"), folder(b"a"))
    tar_case("folder-then-file", "bin: it comes twice", entry(b"bin"))
    tar_case("below-a-file", "bin/server/x: it passes through bin/server", entry(b"bin/server/x"))
    tar_case("folder-then-link", "bin: it comes twice", symlink(b"bin", b"lib"))


def tar_links():
    tar_case("link-out", "out: its link leads out", symlink(b"out", b"../.."))
    tar_case("link-just-out", "bin/out: its link leads out", symlink(b"bin/out", b"../../x"))
    tar_case("link-absolute", "its link's target is absolute", symlink(b"out", b"/etc/passwd"))
    tar_case("link-out-by-pax", "its link leads out", pax({b"linkpath": b"../../../etc"}), symlink(b"out", b"bin"))
    tar_case("link-that-climbs-later", "its link has a '..' after a name", symlink(b"a", b"bin/../../x"))
    tar_case("link-to-nothing", "its link's target is empty", symlink(b"a", b""))
    tar_case("link-with-newline", "its link's target has control characters", symlink(b"a", b"b\nc"))
    tar_case("through-a-link", "in/x: it passes through in", symlink(b"in", b"bin"), entry(b"in/x"))
    tar_case("through-a-link-to-itself", "it passes through", symlink(b"in", b"."), entry(b"in/in/x"))
    tar_case("onto-a-link", "in: it comes twice", symlink(b"in", b"bin/server"), entry(b"in", b"evil"))
    tar_case("hard-link-out", "its link's target has a '..'", hardlink(b"h", b"../../canary"))
    tar_case("hard-link-absolute", "its link's target is absolute", hardlink(b"h", b"/etc/passwd"))
    tar_case("hard-link-to-nothing", "it is a hard link to no earlier file", hardlink(b"h", b"later"), entry(b"later"))
    tar_case("hard-link-to-a-link", "it is a hard link to no earlier file", symlink(b"s", b"bin"), hardlink(b"h", b"s"))
    tar_case("hard-link-to-a-folder", "it is a hard link to no earlier file", hardlink(b"h", b"bin"))
    tar_case("hard-link-to-itself", "it is a hard link to no earlier file", hardlink(b"h", b"h"))
    tar_case("hard-link-through-a-link", "it is a hard link to no earlier file", symlink(b"s", b"bin"),
             hardlink(b"h", b"s/server"))


def tar_kinds():
    tar_case("character-device", "null: it is a device, fifo or socket", header(b"null", kind=b"3"))
    tar_case("block-device", "sda: it is a device, fifo or socket", header(b"sda", kind=b"4"))
    tar_case("fifo", "pipe: it is a device, fifo or socket", header(b"pipe", kind=b"6"))
    tar_case("setuid", "su: it is setuid or setgid", entry(b"su", mode=0o4755))
    tar_case("setgid", "wall: it is setuid or setgid", entry(b"wall", mode=0o2755))


def tar_sizes():
    many = b"".join(header(b"f%d" % i) for i in range(5001))  # the test allows 5,000
    case("many.tar.gz", gzip.compress(many + END, 1, mtime=0), "more than 5000 entries")
    implied = b"".join(header(b"d%d/d/d/d/f" % i) for i in range(1001))
    case("many-folders.tar.gz", gzip.compress(implied + END, 1, mtime=0), "more than 5000 entries")
    zeros = header(b"zeros", 64 << 20) + b"\0" * (64 << 20) + END
    case("bomb.tar.gz", gzip.compress(zeros, 9, mtime=0), "zeros: it unpacks to more than 200 times its size")
    case("bomb.tar.bz2", bz2.compress(zeros), "zeros: it unpacks to more than 200 times its size")
    case("bomb.tar.xz", lzma.compress(zeros, preset=1), "zeros: it unpacks to more than 200 times its size")
    small = b"".join(header(b"z%d" % i, 1 << 20) + b"\0" * (1 << 20) for i in range(24)) + END
    case("bomb-of-small-files.tar.gz", gzip.compress(small, 9, mtime=0), "times its size")
    sparse = {b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0", b"GNU.sparse.name": b"hole",
              b"GNU.sparse.realsize": b"%d" % (1 << 40)}
    map_of_it = b"1\n0\n1\n".ljust(512, b"\0")
    case("sparse-bomb.tar", pax(sparse) + header(b"hole", 513) + map_of_it + padded(b"x") + END, "hole: ")
    case("size-of-an-exabyte.tar", GOOD + pax({b"size": b"%d" % (1 << 60)}) + entry(b"huge") + END, "cannot unpack as tar")
    case("size-below-zero.tar", GOOD + pax({b"size": b"-1"}) + entry(b"minus") + END, "cannot unpack as tar")


def damaged():
    good = GOOD + entry(b"data", bytes(range(256)) * 400) + END
    packed = gzip.compress(good, 9, mtime=0)
    case("cut-in-data.tar", good[:20000], "cannot unpack as tar")
    case("cut-in-header.tar", GOOD + header(b"next", 5)[:300], "cannot unpack as tar")
    case("wrong-checksum.tar", GOOD + header(b"next", checksum=1) + END, "cannot unpack as tar")
    case("cut.tar.gz", packed[:len(packed) // 2], "cannot unpack as tar.gz")
    case("no-such-block.tar.gz", packed[:10] + b"\x07" + packed[11:], "cannot unpack as tar.gz")
    case("cut.tar.bz2", bz2.compress(good)[:-20], "cannot unpack as tar.bz2")
    case("cut.tar.xz", lzma.compress(good)[:-40], "cannot unpack as tar.xz")
    case("only-magic.tar.zst", b"\x28\xb5\x2f\xfd" + b"\0" * 64, "cannot unpack as tar.zst")
    case("gzip-of-gzip", gzip.compress(packed, 9, mtime=0), "cannot unpack as tar.gz")
    case("gzip-of-text", gzip.compress(b"hello\n" * 300, 9, mtime=0), "cannot unpack as tar.gz")
    case("gzip-of-nothing", gzip.compress(b"", 9, mtime=0), "cannot unpack as tar.gz")
    case("nothing-in-it.tar.gz", gzip.compress(folder(b"./") + END, 9, mtime=0), "the archive has no files in it")


def foreign():
    case("nothing", b"", "the artifact is empty")
    case("page.html", b"\xef\xbb\xbf \n<!DOCTYPE html><title>Sign in</title>", "got an HTML page")
    for name, magic in {"7z": b"7z\xbc\xaf\x27\x1c", "rar": b"Rar!\x1a\x07\x01\x00", "cpio": b"070701" + b"0" * 104,
                        "deb": b"!<arch>\ndebian-binary", "lz4": b"\x04\x22\x4d\x18", "lzma": b"\x5d\0\0\x80\0",
                        "cab": b"MSCF\0\0\0\0", "exe": b"MZ\x90\0", "png": b"\x89PNG\r\n\x1a\n", "pdf": b"%PDF-1.7\n",
                        "class": b"\xca\xfe\xba\xbe", "zeros": b"\0" * 10240}.items():
        case("foreign." + name, magic + b"\0" * 600, "unknown format")
    case("json", b'{"error": "not logged in"}', 'it has no "url"')


# ---- zip -------------------------------------------------------------------------------------------------------------


def zip_of(items):
    """items: name, data, and of: mode, method, flags, crc, central (another name there), extra, size, made_by."""
    body, central = b"", b""
    for name, data, how in items:
        method = how.get("method", 0)
        deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
        stored = deflater.compress(data) + deflater.flush() if method == 8 else data
        crc = how.get("crc", zlib.crc32(data))
        size = how.get("size", len(data))
        at = len(body)
        extra = how.get("extra", b"")
        fields = struct.pack("<HHHHHIIIHH", 20, how.get("flags", 0), method, 0, 33, crc, len(stored), size, len(name),
                             len(extra))
        body += b"PK\3\4" + fields + name + extra + stored
        said = how.get("central", name)
        fields = struct.pack("<HHHHHIIIHH", 20, how.get("flags", 0), method, 0, 33, crc, len(stored), size, len(said),
                             len(extra))
        made_by = how.get("made_by", 3 << 8 | 20)
        central += (b"PK\1\2" + struct.pack("<H", made_by) + fields +
                    struct.pack("<HHHII", 0, 0, 0, how.get("mode", 0o100644) << 16, at) + said + extra)
    count = len(items)
    return body + central + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, len(central), len(body), 0)


OK = (b"bin/server", b"#!/bin/sh\n", {"mode": 0o100755})


def zip_case(name, says, *items):
    case(name + ".zip", zip_of([OK, *items]), says)


def zips():
    zip_case("dotdot", "../evil: its name has a '..'", (b"../evil", b"x", {}))
    zip_case("absolute", "/tmp/fleet-evil: its name is absolute", (b"/tmp/fleet-evil", b"x", {}))
    zip_case("dotdot-by-backslash", "its name has a '..'", (b"..\\..\\evil", b"x", {"made_by": 20}))
    zip_case("dotdot-but-in-the-directory", "its name has a '..'", (b"../evil", b"x", {"central": b"good"}))
    unicode_path = struct.pack("<HHBI", 0x7075, 5 + 7, 1, zlib.crc32(b"good")) + b"../evil"
    zip_case("dotdot-by-unicode-path", "its name has a '..'", (b"good", b"x", {"extra": unicode_path}))
    zip_case("newline", "its name has control characters", (b"a\nb", b"x", {}))
    zip_case("link-absolute", "its link's target is absolute", (b"out", b"/etc/passwd", {"mode": 0o120777}))
    zip_case("link-out", "its link leads out", (b"out", b"../../etc", {"mode": 0o120777}))
    zip_case("through-a-link", "it passes through", (b"in", b"bin", {"mode": 0o120777}), (b"in/x", b"x", {}))
    zip_case("device", "it is a device, fifo or socket", (b"null", b"", {"mode": 0o020666}))
    zip_case("setuid", "it is setuid or setgid", (b"su", b"x", {"mode": 0o104755}))
    zip_case("twice", "it comes twice", OK)
    zip_case("case", "it clashes with", (b"bin/SERVER", b"x", {}))
    zip_case("wrong-crc", "cannot unpack as zip", (b"data", b"x" * 1000, {"crc": 1}))
    zip_case("encrypted", "cannot unpack as zip", (b"secret", b"x" * 100, {"flags": 1}))
    zip_case("method-unknown", "cannot unpack as zip", (b"data", b"x" * 100, {"method": 77}))
    zip_case("bomb", "zeros: it unpacks to more than 200 times its size", (b"zeros", b"\0" * (64 << 20), {"method": 8}))
    good = zip_of([OK, (b"data", bytes(range(256)) * 100, {"method": 8})])
    case("cut.zip", good[:-30], "cannot unpack as zip")
    case("no-directory.zip", good[:good.index(b"PK\1\2")], "cannot unpack as zip")
    case("nothing-in-it.zip", zip_of([]), "zip")
    case("exploded.war", zip_of([(b"META-INF/MANIFEST.MF", b"x", {}), (b"WEB-INF/../../evil", b"x", {})]),
         "its name has a '..'")


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for make in (tar_names, tar_clashes, tar_links, tar_kinds, tar_sizes, damaged, foreign, zips):
        make()
    assert len({name for name, _, _ in CASES}) == len(CASES)
    for name, data, _ in CASES:
        (out / name).write_bytes(data)
    (out / "index.tsv").write_text("".join(f"{name}\t{says}\n" for name, _, says in CASES), encoding="utf-8")


main()
