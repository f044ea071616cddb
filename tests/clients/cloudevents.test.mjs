// The CloudEvents SDK for JavaScript speaks with Slipway: it states events in
// every mode of the HTTP binding, and understands what comes back.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import test from 'node:test'
import { CloudEvent, HTTP } from 'cloudevents'
import { api, token, untilEvents, url } from './slipway.mjs'

const event = (more = {}) => new CloudEvent({ id: randomUUID(), source: '/clients/js', type: 'com.example.tried', subject: 'orders', data: { n: 1 }, ...more })

const post = message => api('/events?project=shop', { method: 'POST', headers: message.headers, body: message.body })

test('binary, structured and batch mode are taken', async () => {
  const one = event({ ours: 'a b' })
  let response = await post(HTTP.binary(one))
  assert.equal(response.status, 202, await response.clone().text())
  assert.equal((await response.json()).id, one.id)

  const two = event()
  response = await post(HTTP.structured(two))
  assert.equal(response.status, 202, await response.clone().text())

  const batch = [event(), event()]
  response = await api('/events?project=shop', {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents-batch+json' },
    body: JSON.stringify(batch)
  })
  assert.equal(response.status, 202, await response.clone().text())
  const ids = [one.id, two.id, ...batch.map(e => e.id)]
  assert.deepEqual((await response.json()).ids, ids.slice(2))

  const { items } = await untilEvents(ids, 'type=com.example.')
  const back = new CloudEvent(items.find(e => e.id === one.id))
  assert.deepEqual(back.data, { n: 1 })
  assert.equal(back.ours, 'a b')
  assert.equal(back.statedsource, '/clients/js')
  assert.equal(back.project, 'shop')
})

test("Slipway's own types are refused, and the answer says so", async () => {
  const response = await post(HTTP.binary(event({ type: 'dev.slipway.policy.approval.granted.v1' })))
  assert.equal(response.status, 403)
  assert.equal(response.headers.get('content-type'), 'application/problem+json')
  assert.match((await response.json()).detail, /only Slipway's services/)
})

test('the live stream comes as server-sent events and goes on where it was left', async () => {
  const read = async (lastEventId, send) => {
    const stop = new AbortController()
    const response = await fetch(`${url}/events?type=com.example.live`, {
      signal: stop.signal,
      headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream', ...(lastEventId && { 'last-event-id': lastEventId }) }
    })
    assert.equal(response.status, 200)
    if (send) await send()
    let text = ''
    for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
      text += part
      const frame = text.match(/^id: (.+)\ndata: (.+)\n\n/m)
      if (frame) {
        stop.abort()
        return { id: frame[1], event: JSON.parse(frame[2]) }
      }
    }
  }
  const [one, two] = [event({ type: 'com.example.live' }), event({ type: 'com.example.live' })]
  const first = await read('', () => post(HTTP.binary(one)))
  assert.equal(first.event.id, one.id)
  await post(HTTP.binary(two))
  const second = await read(first.id)
  assert.equal(second.event.id, two.id)
})
