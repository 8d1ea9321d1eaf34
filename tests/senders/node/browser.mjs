// @segment/analytics-next in a real Chromium, on a page of another origin than ingest's.
//
// node browser.mjs URL KEY default|batching|unload CHROMIUM PACKAGE; the first line of standard input has the calls; when the second comes the
// browser is closed and the report printed. Settings come from ingest (cdnURL), as `source show` tells users.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { chromium } from 'playwright-core'
import { key, options, report, url } from './lib.mjs'

const [mode, executablePath, name] = options
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const calls = JSON.parse((await lines.next()).value)

const umd = new URL(`./node_modules/${name}/dist/umd/`, import.meta.url)
const page = '<!doctype html><title>shop</title><script src="/index.js"></script>'
const server = createServer((request, response) => {
  const path = new URL(request.url, 'http://page').pathname
  if (path.endsWith('.js')) {
    response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(readFileSync(new URL(`.${path}`, umd)))
  } else {
    response.writeHead(path === '/favicon.ico' ? 204 : 200, { 'Content-Type': 'text/html' }).end(path === '/favicon.ico' ? '' : page)
  }
})
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
const origin = `http://127.0.0.1:${server.address().port}`

const errors = []
const browser = await chromium.launch({
  executablePath, headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
})
const tab = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage()
tab.on('console', (message) => message.type() === 'error' && errors.push(`console: ${message.text()}`))
tab.on('pageerror', (error) => errors.push(`page: ${error.message}`))
await tab.goto(`${origin}/start`)

await tab.evaluate(async ({ url, key, mode, calls }) => {
  const strategy = { strategy: 'batching', config: { size: 10, timeout: mode === 'unload' ? 60000 : 300 } }
  const integrations = mode === 'default' ? {} : { 'Segment.io': { deliveryStrategy: strategy } }
  const [analytics] = await window.AnalyticsNext.AnalyticsBrowser.load({ writeKey: key, cdnURL: url }, { integrations })
  for (const { call, ...event } of calls) {
    const sent = {
      identify: () => analytics.identify(event.userId, event.traits),
      track: () => analytics.track(event.event, event.properties),
      page: () => analytics.page(event.category, event.name, event.properties),
      screen: () => analytics.screen(event.category, event.name, event.properties),
      group: () => analytics.group(event.groupId, event.traits),
      alias: () => analytics.alias(event.userId, event.previousId)
    }[call]()
    if (mode !== 'unload') {
      await sent
    }
  }
}, { url, key, mode, calls })
if (mode === 'unload') { // leaving the page sends what waits
  await tab.waitForTimeout(300)
  await tab.goto(`${origin}/elsewhere`)
}
await lines.next()
await browser.close()
server.close()
report(name, errors)
process.exit(0)
