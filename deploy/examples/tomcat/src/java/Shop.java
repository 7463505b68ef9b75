import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;

/** A shop that knows nothing of the proxy before it. */
public class Shop extends HttpServlet {
  private String version;
  private String instance;
  private FileOutputStream ledger;

  @Override
  public void init() {
    try (InputStream in = getServletContext().getResourceAsStream("/WEB-INF/VERSION")) {
      version = new String(in.readAllBytes(), StandardCharsets.UTF_8).trim();
      instance = System.getProperty("shop.instance", "none");
      ledger = new FileOutputStream(System.getProperty("shop.data", ".") + "/ledger-" + instance + ".log", true);
    } catch (IOException error) {
      throw new java.io.UncheckedIOException(error);
    }
  }

  @Override
  protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
    switch (request.getRequestURI()) {
      case "/health" -> answer(response, 200, "healthy\n");
      case "/tx" -> transaction(request, response);
      case "/slow" -> slow(request, response);
      case "/visits" -> visits(request, response);
      case "/login" -> response.sendRedirect("http://127.0.0.1:" + request.getLocalPort() + "/");
      case "/" -> answer(response, 200, page("", 40));
      default -> answer(response, 404, "no such page\n");
    }
  }

  private void transaction(HttpServletRequest request, HttpServletResponse response) throws IOException {
    if (!request.getMethod().equals("POST")) {
      answer(response, 405, "POST only\n");
      return;
    }
    String body = new String(request.getInputStream().readNBytes(1 << 20), StandardCharsets.UTF_8);
    String id = request.getHeader("X-Transaction-Id");
    if (id == null || !id.matches("[\\w-]{1,100}") || !body.contains(id)) {
      answer(response, 400, "id and body do not agree\n");
      return;
    }
    ledger.write((id + "\n").getBytes(StandardCharsets.UTF_8)); // before the client hears of it
    answer(response, 200, page("tx=" + id + " ", 1));
  }

  private void slow(HttpServletRequest request, HttpServletResponse response) throws IOException {
    try {
      Thread.sleep(Math.min(60000, Long.parseLong(request.getParameter("ms"))));
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
    }
    answer(response, 200, page("", 40));
  }

  /** The session is this instance's own: it ends with it. */
  private void visits(HttpServletRequest request, HttpServletResponse response) throws IOException {
    var session = request.getSession();
    Integer before = (Integer) session.getAttribute("visits");
    int visits = before == null ? 1 : before + 1;
    session.setAttribute("visits", visits);
    answer(response, 200, "visits=" + visits + " instance=" + instance + "\n");
  }

  /** Every line names the version and the last is a checksum (FNV-1a), so that a client can tell a cut or mixed page. */
  private String page(String prefix, int lines) {
    String text = (prefix + "version=" + version + " instance=" + instance + "\n").repeat(lines);
    int sum = (int) 2166136261L;
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) sum = (sum ^ (b & 0xff)) * 16777619;
    return text + String.format("sum=%08x\n", sum);
  }

  private static void answer(HttpServletResponse response, int status, String text) throws IOException {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    response.setStatus(status);
    response.setContentType("text/plain");
    response.setContentLength(bytes.length);
    response.getOutputStream().write(bytes);
  }
}
