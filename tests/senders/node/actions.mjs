// The code that Segment itself runs for its webhook destinations: @segment/action-destinations.
//
// node actions.mjs URL TOKEN DESTINATION SECRET single|batch
// Segment's own queue stands around this code; of it only the rule is here which answers are tried again (senders.md, 1.6).
import { createRequire } from 'node:module'
import { calls, key as token, options, report, url } from './lib.mjs'

const require = createRequire(import.meta.url)
const { Destination } = require('@segment/actions-core')
const [name, secret, mode] = options
const definition = require(`@segment/action-destinations/dist/destinations/${name}`).default
const destination = new Destination(definition)
const headers = token === '-' ? {} : { Authorization: `Bearer ${token}` }
const settings = {
  sharedSecret: secret === '-' ? undefined : secret,
  subscription: {
    partnerAction: 'send',
    subscribe: 'type = "track" or type = "identify" or type = "page" or type = "screen" or type = "group" or type = "alias"',
    mapping: { url, method: 'POST', headers, data: { '@path': '$.' }, enable_batching: mode === 'batch' }
  }
}

function event({ call, ...members }, number) {
  const at = new Date().toISOString()
  return {
    type: call, messageId: `${name}-${mode}-${number}`, ...members, context: { library: { name: 'sender', version: '1' } }, integrations: {},
    timestamp: at, originalTimestamp: at, sentAt: at, receivedAt: at, channel: 'server', projectId: 'p1', version: 2
  }
}

const isTriedAgain = (status) => [408, 423, 429].includes(status) || (status >= 500 && status !== 501)
const statusOf = (error) => error.response?.status ?? error.status ?? 0

// As Segment: again after a pause, until it is delivered or the answer is final.
async function deliver(send) {
  for (let attempt = 0; ; attempt++) {
    try {
      const results = await send()
      const bad = (Array.isArray(results) ? results : []).flat().filter((one) => one?.status >= 400)
      if (bad.length === 0) {
        return attempt
      }
      throw Object.assign(new Error(JSON.stringify(bad[0])), { status: bad[0].status })
    } catch (error) {
      if (attempt === 20 || !isTriedAgain(statusOf(error))) {
        throw error
      }
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

const errors = []
let retries = 0
const events = calls().map(event)
const requests = mode === 'batch' ? [() => destination.onBatch(events, settings)] : events.map((one) => () => destination.onEvent(one, settings))
for (const send of requests) {
  try {
    retries += await deliver(send)
  } catch (error) {
    errors.push(`${statusOf(error)} ${error.message}`)
  }
}
report('@segment/action-destinations', errors, { retries })
