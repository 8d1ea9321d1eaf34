/* Backstitch as a Segment destination function: paste this file into the editor of a new
 * destination function. Its settings, both required:
 *   webhookUrl   text            the webhook URL that `backstitch-ingest source show` prints
 *   secret       text, secret    the shared secret it prints
 *
 * Against Segment's webhook destination it has three advantages: every request is signed
 * as a whole and with a time (the webhook signs a batch's first event only, for ever),
 * delete notifications are passed on, and of a batch only what failed is sent again.
 *
 * Nothing is ever given up that Backstitch has not kept: whatever goes wrong on the way,
 * a wrong setting included, is a RetryError, which Segment tries again for four hours.
 * Only what Backstitch says it has kept as rejected (400 and 413 with its own code) ends.
 */

const ANSWER_MS = 4500 // Segment ends a function after 5 s, without saying why
const REQUEST_CHARS = 4 * 1024 * 1024 // of a batch's body; far below Backstitch's limit

// X-Backstitch-Signature: t=SECONDS,v1=HEX of HMAC-SHA256 over "SECONDS.BODY".
function signatureOf(body, secret) {
  const seconds = Math.floor(Date.now() / 1000)
  const hmac = crypto.createHmac('sha256', secret).update(`${seconds}.`).update(body)
  return `t=${seconds},v1=${hmac.digest('hex')}`
}

async function post(body, settings) {
  const ends = new AbortController()
  const timer = setTimeout(() => ends.abort(), ANSWER_MS)
  try {
    const answer = await fetch(settings.webhookUrl, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        'X-Backstitch-Signature': signatureOf(body, settings.secret)
      },
      body,
      signal: ends.signal
    })
    return { status: answer.status, text: await answer.text() }
  } finally {
    clearTimeout(timer)
  }
}

// The code of Backstitch's own answer; null when somebody else answered.
function codeOf(text) {
  try {
    return JSON.parse(text).code || null
  } catch (error) {
    return null
  }
}

// What became of one request: the status Segment is to see, and what was answered.
async function deliver(body, settings) {
  if (!settings.webhookUrl || !settings.secret) {
    return { status: 503, errormessage: 'set webhookUrl and secret in the settings of this function' }
  }
  let answer
  try {
    answer = await post(body, settings)
  } catch (error) {
    return { status: 503, errormessage: `no answer: ${error.message}` }
  }
  if (answer.status >= 200 && answer.status < 300) {
    return { status: 200 }
  }
  const code = codeOf(answer.text)
  const isKept = code === 'invalid_body' || code === 'too_large'
  return {
    status: isKept ? answer.status : 503,
    errormessage: `${answer.status} ${answer.text.slice(0, 300)}`,
    isTooLarge: answer.status === 413 // by Backstitch, or by a proxy in front of it
  }
}

// A batch that is too large for one request goes in halves, so that one large event does
// not take the others with it.
async function deliverAll(events, settings) {
  const body = JSON.stringify(events)
  const isSmall = events.length === 1 || body.length <= REQUEST_CHARS
  const result = isSmall ? await deliver(body, settings) : { isTooLarge: true }
  if (!result.isTooLarge || events.length === 1) {
    const { status, errormessage } = result
    return events.map(() => (status === 200 ? { status } : { status, errormessage }))
  }
  const half = Math.ceil(events.length / 2)
  const first = await deliverAll(events.slice(0, half), settings)
  const second = await deliverAll(events.slice(half), settings)
  return [...first, ...second]
}

async function onEvent(event, settings) {
  const result = await deliver(JSON.stringify(event), settings)
  if (result.status === 503) {
    throw new RetryError(result.errormessage)
  }
  if (result.status !== 200) {
    throw new InvalidEventPayload(result.errormessage)
  }
}

// One status for each event: Segment sends again only those that failed.
async function onBatch(events, settings) {
  return deliverAll(events, settings)
}

async function onIdentify(event, settings) { await onEvent(event, settings) }
async function onTrack(event, settings) { await onEvent(event, settings) }
async function onPage(event, settings) { await onEvent(event, settings) }
async function onScreen(event, settings) { await onEvent(event, settings) }
async function onGroup(event, settings) { await onEvent(event, settings) }
async function onAlias(event, settings) { await onEvent(event, settings) }
async function onDelete(event, settings) { await onEvent(event, settings) }
