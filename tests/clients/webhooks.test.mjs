// Every payload of npm's @octokit/webhooks-examples, signed as GitHub signs,
// is accepted; what the gateway's table maps becomes a valid CDEvent; and a
// delivery that is sent twice is one event.
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { sign } from '@octokit/webhooks-methods'
import Ajv2020 from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { CloudEvent } from 'cloudevents'
import { api, each, events, hook, secret, untilEvents, url } from './slipway.mjs'

// payloads of GitHub and of every GitHub Enterprise Server that there are examples of.
function payloads () {
  const root = dirname(createRequire(import.meta.url).resolve('@octokit/webhooks-examples/package.json'))
  const all = []
  for (const folder of readdirSync(root).sort()) {
    let kinds
    try {
      kinds = JSON.parse(readFileSync(join(root, folder, 'index.json'), 'utf8'))
    } catch {
      continue // no folder of payloads
    }
    for (const kind of kinds) {
      for (const [n, example] of kind.examples.entries()) {
        all.push({ name: `${folder}/${kind.name}/${n}`, event: kind.name, action: example.action, body: JSON.stringify(example) })
      }
    }
  }
  return all
}

async function deliver (payload, { form = false } = {}) {
  const body = form ? new URLSearchParams({ payload: payload.body }).toString() : payload.body
  for (;;) {
    const response = await fetch(url + hook, {
      method: 'POST',
      body,
      headers: {
        'content-type': form ? 'application/x-www-form-urlencoded' : 'application/json',
        'user-agent': 'GitHub-Hookshot/test',
        'x-github-event': payload.event,
        'x-github-delivery': payload.name,
        'x-hub-signature-256': await sign(secret, body)
      }
    })
    if (response.status !== 429) return { status: response.status, answer: await response.json() }
    await response.arrayBuffer()
    await new Promise(resolve => setTimeout(resolve, 1000 * Number(response.headers.get('retry-after'))))
  }
}

// validator checks the data of events against the schemas that Slipway
// publishes for their types.
function validator () {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats(ajv)
  const compiled = new Map()
  return async event => {
    if (!compiled.has(event.type)) {
      const response = await fetch(`${url}/events/types/${event.type}/schema`)
      assert.equal(response.status, 200, `schema of ${event.type}`)
      compiled.set(event.type, ajv.compile(await response.json()))
    }
    const valid = compiled.get(event.type)
    assert.ok(valid(event.data), `${event.type}: ${ajv.errorsText(valid.errors)}\n${JSON.stringify(event.data)}`)
  }
}

// What a reader of the table expects of kinds that everybody knows.
const expected = {
  'pull_request.opened': 'dev.cdevents.change.created.',
  'pull_request.synchronize': 'dev.cdevents.change.updated.',
  'pull_request_review.submitted': 'dev.cdevents.change.reviewed.',
  'workflow_run.requested': 'dev.cdevents.pipelinerun.queued.',
  'workflow_run.completed': 'dev.cdevents.pipelinerun.finished.',
  'workflow_job.in_progress': 'dev.cdevents.taskrun.started.',
  'workflow_job.completed': 'dev.cdevents.taskrun.finished.',
  'package.published': 'dev.cdevents.artifact.published.',
  'release.published': 'dev.cdevents.artifact.published.',
  'repository.created': 'dev.cdevents.repository.created.',
  'issues.opened': 'dev.cdevents.ticket.created.',
  'star.created': 'dev.slipway.gateway.delivery.recorded.',
  'ping.': 'dev.slipway.gateway.delivery.recorded.'
}

test('every payload is accepted, once', { timeout: 300_000 }, async t => {
  const all = payloads()
  assert.ok(all.length > 700, `only ${all.length} payloads were found`)
  const before = await events('project=shop')
  const receipts = new Map()

  await t.test(`${all.length} deliveries answer 202`, async () => {
    await each(all, 16, async (payload, n) => {
      const { status, answer } = await deliver(payload, { form: n % 5 === 0 })
      assert.equal(status, 202, `${payload.name}: ${JSON.stringify(answer)}`)
      assert.ok(answer.id && answer.events.length > 0, payload.name)
      assert.equal(answer.events[0].id, answer.id)
      receipts.set(payload.name, answer)
    })
  })

  await t.test('sent again, each answers the same id', async () => {
    await each(all, 16, async payload => {
      const { status, answer } = await deliver(payload)
      assert.equal(status, 202)
      assert.equal(answer.id, receipts.get(payload.name).id, payload.name)
      assert.equal(answer.seen, true, payload.name)
    })
  })

  const made = [...receipts.values()].flatMap(r => r.events.map(e => e.id))
  assert.equal(new Set(made).size, made.length, 'no two deliveries share an event')
  const after = await untilEvents(made, 'project=shop')
  const fresh = after.items.slice(before.items.length)

  await t.test('each event is in the stream exactly once, and no other is', () => {
    const counts = new Map()
    for (const e of fresh) counts.set(e.id, (counts.get(e.id) ?? 0) + 1)
    for (const id of made) assert.equal(counts.get(id), 1, id)
    assert.equal(fresh.length, made.length)
  })

  await t.test('each event is a valid CloudEvent, and what it says fits the schema of its type', async () => {
    const check = validator()
    const types = new Set()
    for (const e of fresh) {
      types.add(e.type)
      assert.ok(new CloudEvent(e).validate(), e.id)
      assert.ok(e.correlationid, `${e.type} belongs to no story`)
      assert.equal(e.project, 'shop')
      assert.equal(e.actor, 'webhook:shop/github')
      await check(e)
      if (e.type.startsWith('dev.cdevents.')) {
        assert.equal(e.data.context.id, e.id)
        assert.equal(e.data.context.chainId, e.correlationid)
        assert.equal(e.data.subject.id, e.subject)
      }
    }
    assert.ok([...types].filter(t => t.startsWith('dev.cdevents.')).length >= 15, [...types].join('\n'))
    t.diagnostic(`${all.length} payloads became ${fresh.length} events of ${types.size} types`)
  })

  await t.test('kinds that everybody knows become what the table says', () => {
    const byId = new Map(fresh.map(e => [e.id, e]))
    const seen = new Set()
    for (const payload of all) {
      const kind = `${payload.event}.${payload.action ?? ''}`
      if (!expected[kind]) continue
      seen.add(kind)
      const type = byId.get(receipts.get(payload.name).id).type
      assert.ok(type.startsWith(expected[kind]), `${payload.name} became ${type}`)
    }
    assert.deepEqual([...seen].sort(), Object.keys(expected).sort())
  })

  await t.test('a delivery can be looked up, without anything secret', async () => {
    const receipt = receipts.get(all[0].name)
    const response = await api(`/api/v1/projects/shop/webhooks/github/deliveries/${receipt.delivery}`)
    assert.equal(response.status, 200)
    const delivery = await response.json()
    assert.equal(delivery.deliveryId, all[0].name)
    assert.equal(delivery.events[0].id, receipt.id)
  })
})
