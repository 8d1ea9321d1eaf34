"""segment-analytics-python: every call, in small batches. usage: analytics_python.py URL KEY [gzip], calls on standard input."""

import json
import sys
from importlib.metadata import version

from segment.analytics.client import Client

url, key, *options = sys.argv[1:]
errors: list[str] = []
client = Client(key, host=url, gzip="gzip" in options, upload_size=10, upload_interval=0.2, on_error=lambda error, items: errors.append(repr(error)))
for call in json.load(sys.stdin):
    name = call.pop("call")
    members = {"userId": "user_id", "groupId": "group_id", "previousId": "previous_id"}
    getattr(client, name)(**{members.get(member, member): value for member, value in call.items()})
client.flush()
client.shutdown()
print(json.dumps({"library": "segment-analytics-python", "version": version("segment-analytics-python"), "errors": errors}))
