// A running Slipway as these tests see it. The Go test beside starts one and
// says where it is.
export const url = required('SLIPWAY_URL')
export const token = required('SLIPWAY_TOKEN')
export const secret = required('WEBHOOK_SECRET')
export const hook = '/hooks/shop/github'

function required (name) {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: run make test-clients, which starts Slipway and sets it`)
  return value
}

export function api (path, init = {}) {
  return fetch(url + path, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } })
}

// events reads the stream, all pages of it, from a cursor on.
export async function events (query = '') {
  const items = []
  for (let cursor = ''; ;) {
    const response = await api(`/events?limit=1000&${query}&cursor=${encodeURIComponent(cursor)}`)
    if (response.status !== 200) throw new Error(`GET /events: ${response.status} ${await response.text()}`)
    const page = await response.json()
    items.push(...page.items)
    if (!page.nextCursor) return { items, last: page.last }
    cursor = page.nextCursor
  }
}

// untilEvents reads the stream until every id is there, or says which is not.
export async function untilEvents (ids, query) {
  const deadline = Date.now() + 60_000
  for (;;) {
    const read = await events(query)
    const have = new Set(read.items.map(e => e.id))
    const missing = ids.filter(id => !have.has(id))
    if (missing.length === 0) return read
    if (Date.now() > deadline) throw new Error(`${missing.length} events never came, such as ${missing[0]}`)
    await new Promise(resolve => setTimeout(resolve, 200))
  }
}

// each calls fn for every item, some at a time.
export async function each (items, atOnce, fn) {
  const rest = items.entries()
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (const [index, item] of rest) await fn(item, index)
  }))
}
