"""rudder-sdk-python: every call, gzip as by default. usage: rudder_python.py URL KEY, calls on standard input."""

import json
import sys
from importlib.metadata import version

from rudderstack.analytics.client import Client

url, key = sys.argv[1:3]
errors: list[str] = []
client = Client(key, host=url, upload_size=10, upload_interval=0.2, on_error=lambda error, items: errors.append(repr(error)))
for call in json.load(sys.stdin):
    name = call.pop("call")
    members = {"userId": "user_id", "groupId": "group_id", "previousId": "previous_id"}
    getattr(client, name)(**{members.get(member, member): value for member, value in call.items()})
client.flush()
client.shutdown()
print(json.dumps({"library": "rudder-sdk-python", "version": version("rudder-sdk-python"), "errors": errors}))
