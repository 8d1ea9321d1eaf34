// RudderStack's SDK for Node: it speaks Segment's protocol, with gzip, and calls the body a form.
import RudderAnalytics from '@rudderstack/rudder-sdk-node'
import { calls, key, report, url } from './lib.mjs'

const errors = []
const Client = RudderAnalytics.default ?? RudderAnalytics
const client = new Client(key, { dataPlaneUrl: url, flushAt: 10, flushInterval: 200 })
for (const { call, ...event } of calls()) {
  client[call](event)
}
await new Promise((resolve) => client.flush((error) => resolve(error && errors.push(error))))
report('@rudderstack/rudder-sdk-node', errors)
