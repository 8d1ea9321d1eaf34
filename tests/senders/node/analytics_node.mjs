// @segment/analytics-node: every call, in small batches.
import { Analytics } from '@segment/analytics-node'
import { calls, key, report, url } from './lib.mjs'

const errors = []
const analytics = new Analytics({ writeKey: key, host: url, flushAt: 10, flushInterval: 200 })
analytics.on('error', (error) => errors.push(`${error.code}: ${error.reason?.message ?? JSON.stringify(error)}`))
for (const { call, ...event } of calls()) {
  analytics[call](event)
}
await analytics.closeAndFlush({ timeout: 60000 })
report('@segment/analytics-node', errors)
