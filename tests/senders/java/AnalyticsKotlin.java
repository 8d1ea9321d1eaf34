import com.segment.analytics.kotlin.core.compat.ConfigurationBuilder;
import com.segment.analytics.kotlin.core.compat.JavaAnalytics;
import java.nio.charset.StandardCharsets;
import java.util.List;
import kotlinx.serialization.json.Json;
import kotlinx.serialization.json.JsonArray;
import kotlinx.serialization.json.JsonElement;
import kotlinx.serialization.json.JsonElementKt;
import kotlinx.serialization.json.JsonObject;

/**
 * analytics-kotlin, the core of Segment's Android SDK, by its Java door: it sends gzip over TLS to the host that its settings name. usage:
 * AnalyticsKotlin HOST KEY, calls on standard input.
 */
public final class AnalyticsKotlin {
  private static final long LONGEST_MS = 60_000;

  private static String text(JsonObject call, String member) {
    return JsonElementKt.getJsonPrimitive(call.get(member)).getContent();
  }

  private static JsonObject object(JsonObject call, String member) {
    return JsonElementKt.getJsonObject(call.get(member));
  }

  private static void make(JavaAnalytics analytics, JsonObject call) {
    switch (text(call, "call")) {
      case "identify":
        analytics.identify(text(call, "userId"), object(call, "traits"));
        return;
      case "track":
        analytics.track(text(call, "event"), object(call, "properties"));
        return;
      case "screen":
        analytics.screen(text(call, "name"), object(call, "properties"), text(call, "category"));
        return;
      case "group":
        analytics.group(text(call, "groupId"), object(call, "traits"));
        return;
      default:
        analytics.alias(text(call, "userId"));
    }
  }

  /** Events pass through the library's own queue: uploads are over when no file is left for a while. */
  private static boolean upload(JavaAnalytics analytics) throws InterruptedException {
    long end = System.currentTimeMillis() + LONGEST_MS;
    int quiet = 0;
    while (quiet < 5 && System.currentTimeMillis() < end) {
      analytics.flush();
      Thread.sleep(300);
      List<String> pending = analytics.pendingUploads();
      quiet = pending == null || pending.isEmpty() ? quiet + 1 : 0;
    }
    return quiet >= 5;
  }

  public static void main(String[] arguments) throws Exception {
    String text = new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
    JsonArray calls = JsonElementKt.getJsonArray(Json.Default.parseToJsonElement(text));
    String host = arguments[0] + "/v1";
    JavaAnalytics analytics =
        new JavaAnalytics(
            new ConfigurationBuilder(arguments[1])
                .setApplication("backstitch")
                .setCdnHost(host)
                .setApiHost(host)
                .setFlushAt(10)
                .build());
    for (JsonElement call : calls) {
      make(analytics, JsonElementKt.getJsonObject(call));
    }
    String errors = upload(analytics) ? "" : "\"uploads were left\"";
    System.out.println("{\"library\":\"analytics-kotlin\",\"version\":\"1.27.0\",\"errors\":[" + errors + "]}");
    System.exit(0);
  }
}
