// @segment/analytics-node: every call, in small batches. The option names the package: the version of today, or one from before its retries
// changed (senders.md, 2.3).
import { calls, key, options, report, url } from './lib.mjs'

const [name] = options
const { Analytics } = await import(name)

const errors = []
const analytics = new Analytics({ writeKey: key, host: url, flushAt: 10, flushInterval: 200 })
analytics.on('error', (error) => errors.push(`${error.code}: ${error.reason?.message ?? JSON.stringify(error)}`))
for (const { call, ...event } of calls()) {
  analytics[call](event)
}
await analytics.closeAndFlush({ timeout: 60000 })
report(name, errors)
