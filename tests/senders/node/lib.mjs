// What the drivers share: the calls on standard input, and the report on standard output.
import { readFileSync } from 'node:fs'

export const [url, key, ...options] = process.argv.slice(2)

export const calls = () => JSON.parse(readFileSync(0, 'utf8'))

// The one line that the test reads: the library's version, and what it called an error.
export function report(name, errors, more = {}) {
  const version = JSON.parse(readFileSync(new URL(`./node_modules/${name}/package.json`, import.meta.url))).version
  console.log(JSON.stringify({ library: name, version, errors: errors.map(String), ...more }))
}
