// Our own destination function, as Segment's runtime would run it: its globals, its errors, nothing else.
//
// node function.mjs WEBHOOK-URL SECRET single|batch|HANDLER; prints what Segment would see of each event: "ok", an error's name, a status.
import crypto from 'node:crypto'
import { readFileSync } from 'node:fs'
import vm from 'node:vm'
import { options, url as webhookUrl, key as secret } from './lib.mjs'

class RetryError extends Error {}
class InvalidEventPayload extends Error {}
class ValidationError extends Error {}
class EventNotSupported extends Error {}
const runtime = {
  crypto, fetch, AbortController, setTimeout, clearTimeout, console, URL, Buffer,
  RetryError, InvalidEventPayload, ValidationError, EventNotSupported
}
vm.createContext(runtime)
vm.runInContext(readFileSync(new URL('../../../deploy/segment-function/function.js', import.meta.url), 'utf8'), runtime)

const settings = { webhookUrl: webhookUrl === '-' ? undefined : webhookUrl, secret }
const events = JSON.parse(readFileSync(0, 'utf8'))
const handlerOf = (type) => runtime[`on${type[0].toUpperCase()}${type.slice(1)}`]

async function single(event) {
  try {
    await handlerOf(event.type)(event, settings)
    return { result: 'ok' }
  } catch (error) {
    return { result: error.constructor.name, message: error.message }
  }
}

let results
if (options[0] === 'batch') {
  results = (await runtime.onBatch(events, settings)).map(({ status, errormessage }) => ({ result: status, message: errormessage }))
} else {
  results = []
  for (const event of events) {
    results.push(await single(event))
  }
}
console.log(JSON.stringify(results))
