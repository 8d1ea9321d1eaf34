import com.segment.analytics.kotlin.core.compat.ConfigurationBuilder;
import com.segment.analytics.kotlin.core.compat.JavaAnalytics;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import kotlinx.serialization.json.Json;
import kotlinx.serialization.json.JsonArray;
import kotlinx.serialization.json.JsonElement;
import kotlinx.serialization.json.JsonElementKt;
import kotlinx.serialization.json.JsonObject;

/**
 * analytics-kotlin, the core of Segment's Android SDK, by its Java door: it sends gzip over TLS to the host that its settings name. usage:
 * AnalyticsKotlin HOST KEY; the first line of standard input has the calls; when the second comes it ends.
 */
public final class AnalyticsKotlin {
  private static final long FLUSH_EVERY_MS = 300;

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

  public static void main(String[] arguments) throws Exception {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    JsonArray calls = JsonElementKt.getJsonArray(Json.Default.parseToJsonElement(lines.readLine()));
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
    while (!lines.ready()) { // as an app that is in use: what could not be sent is tried again at the next flush
      analytics.flush();
      Thread.sleep(FLUSH_EVERY_MS);
    }
    System.out.println("{\"library\":\"analytics-kotlin\",\"version\":\"1.27.0\",\"errors\":[]}");
    System.exit(0);
  }
}
