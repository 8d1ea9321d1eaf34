import com.google.gson.GsonBuilder;
import com.google.gson.ToNumberPolicy;
import com.google.gson.reflect.TypeToken;
import com.segment.analytics.Analytics;
import com.segment.analytics.Callback;
import com.segment.analytics.messages.AliasMessage;
import com.segment.analytics.messages.GroupMessage;
import com.segment.analytics.messages.IdentifyMessage;
import com.segment.analytics.messages.Message;
import com.segment.analytics.messages.MessageBuilder;
import com.segment.analytics.messages.PageMessage;
import com.segment.analytics.messages.ScreenMessage;
import com.segment.analytics.messages.TrackMessage;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** analytics-java: every call, in small batches. usage: AnalyticsJava URL KEY, calls on standard input. */
public final class AnalyticsJava {
  @SuppressWarnings("unchecked")
  private static MessageBuilder<?, ?> message(Map<String, Object> call) {
    Map<String, Object> traits = (Map<String, Object>) call.get("traits");
    Map<String, Object> properties = (Map<String, Object>) call.get("properties");
    String name = (String) call.get("name");
    switch ((String) call.get("call")) {
      case "identify":
        return IdentifyMessage.builder().traits(traits);
      case "track":
        return TrackMessage.builder((String) call.get("event")).properties(properties);
      case "page":
        return PageMessage.builder(name).properties(properties);
      case "screen":
        return ScreenMessage.builder(name).properties(properties);
      case "group":
        return GroupMessage.builder((String) call.get("groupId")).traits(traits);
      default:
        return AliasMessage.builder((String) call.get("previousId"));
    }
  }

  public static void main(String[] arguments) throws Exception {
    List<Map<String, Object>> calls =
        new GsonBuilder()
            .setObjectToNumberStrategy(ToNumberPolicy.LONG_OR_DOUBLE)
            .create()
            .fromJson(
                new InputStreamReader(System.in, StandardCharsets.UTF_8),
                new TypeToken<List<Map<String, Object>>>() {}.getType());
    Queue<String> errors = new ConcurrentLinkedQueue<>();
    CountDownLatch sent = new CountDownLatch(calls.size());
    Analytics analytics =
        Analytics.builder(arguments[1])
            .endpoint(arguments[0])
            .flushQueueSize(10)
            .callback(
                new Callback() {
                  @Override
                  public void success(Message message) {
                    sent.countDown();
                  }

                  @Override
                  public void failure(Message message, Throwable error) {
                    errors.add(String.valueOf(error));
                    sent.countDown();
                  }
                })
            .build();
    for (Map<String, Object> call : calls) {
      analytics.enqueue(message(call).userId((String) call.get("userId")));
    }
    analytics.flush();
    if (!sent.await(90, TimeUnit.SECONDS)) {
      errors.add(sent.getCount() + " calls are neither sent nor failed");
    }
    analytics.shutdown();
    System.out.println(
        "{\"library\":\"analytics-java\",\"version\":\"3.5.4\",\"errors\":"
            + new GsonBuilder().create().toJson(errors)
            + "}");
    System.exit(0);
  }
}
