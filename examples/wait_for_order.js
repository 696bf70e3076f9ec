// Read your writes: three ways to wait until an order just placed can be read, side by side.
//
//   node examples/wait_for_order.js [URL]     (18 or newer; default http://127.0.0.1:8081)
//
// or paste it into the console of a page that the node lists in http.allowed_origins (or that
// comes from the node itself), then call waitForOrder("http://127.0.0.1:8081").
//
// The answer to POST /orders says that the order is safe; the read model shows it moments later.
// Whoever reads in between must not take "not there yet" for "lost".

// 1. Ask again: 10 tries, after the nth a pause of 500 ms x n. Needs nothing from the server, asks
//    in vain, and is late by up to the last pause.
async function byAskingAgain(url, orderId, version) {
  for (let n = 1; n <= 10; n++) {
    const reply = await fetch(`${url}/orders/${orderId}?minVersion=${version}`);
    if (reply.status === 200) return reply.json();
    if (reply.status !== 202) throw new Error(`GET: ${reply.status} ${await reply.text()}`);
    await new Promise((done) => setTimeout(done, 500 * n));
  }
  throw new Error("not there after 10 tries");
}

// 2. Long poll: the server answers when the order is there, or after 30 s; then ask again.
async function byLongPoll(url, orderId, version, timeoutMs = 60000) {
  const deadline = Date.now() + timeoutMs;
  while (Date.now() < deadline) {
    const wait = Math.min(30000, deadline - Date.now());
    const reply = await fetch(`${url}/orders/${orderId}?minVersion=${version}&wait=${wait}ms`);
    if (reply.status === 200) return reply.json();
    if (reply.status !== 202 && reply.status !== 503) {
      throw new Error(`GET: ${reply.status} ${await reply.text()}`);
    }
    const rest = Number(reply.headers.get("Retry-After") || 0) * 1000;
    if (reply.status === 503) await new Promise((done) => setTimeout(done, rest));
  }
  throw new Error(`not there within ${timeoutMs} ms`);
}

// 3. WebSocket: one connection for up to 1,000 orders, or "/topic/orders" for all. A message comes
//    as soon as an order can be read. After a broken connection subscribe again.
async function byWebSocket(url, orderId, version, timeoutMs = 60000) {
  const Socket = globalThis.WebSocket || SmallWebSocket;
  const socket = new Socket(url.replace(/^http/, "ws") + "/ws", "tillbox.v1");
  try {
    await new Promise((done, fail) => {
      const timer = setTimeout(() => fail(new Error(`not told within ${timeoutMs} ms`)), timeoutMs);
      socket.onopen = () =>
        socket.send(JSON.stringify({ subscribe: `/topic/orders/${orderId}` }));
      socket.onmessage = (event) => {
        if (JSON.parse(event.data).version < version) return;
        clearTimeout(timer);
        done();
      };
      socket.onclose = (event) => {
        clearTimeout(timer);
        fail(new Error(`closed: ${event.code} ${event.reason}`));
      };
      socket.onerror = () => {}; // onclose follows and knows more
    });
  } finally {
    socket.onclose = null;
    socket.close();
  }
  return (await fetch(`${url}/orders/${orderId}?minVersion=${version}`)).json();
}

// Node before 22 has no WebSocket: enough of one for the above, by its http module.
class SmallWebSocket {
  constructor(address, protocol) {
    const key = Buffer.from(globalThis.crypto.getRandomValues(new Uint8Array(16)));
    const request = require("node:http").get(address.replace(/^ws/, "http"), {
      headers: {
        Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key.toString("base64"), "Sec-WebSocket-Protocol": protocol,
      },
    });
    this.bytes = Buffer.alloc(0);
    request.on("upgrade", (_, socket, head) => {
      this.socket = socket;
      socket.on("data", (part) => this.take(part));
      socket.on("close", () => this.ended(1006, "the connection broke"));
      socket.on("error", () => {});
      this.onopen();
      if (head.length > 0) this.take(head);
    });
    request.on("response", (reply) => {
      reply.resume();
      this.ended(1006, `HTTP ${reply.statusCode}`);
    });
    request.on("error", (error) => this.ended(1006, error.message));
  }

  ended(code, reason) {
    if (this.onclose) this.onclose({ code, reason });
    this.onclose = null;
  }

  // One masked frame of at most 125 bytes; 0x81 is a text.
  frame(first, payload) {
    const mask = Buffer.from(globalThis.crypto.getRandomValues(new Uint8Array(4)));
    const masked = payload.map((byte, i) => byte ^ mask[i % 4]);
    this.socket.write(Buffer.concat([Buffer.from([first, 0x80 | payload.length]), mask, masked]));
  }

  send(text) {
    this.frame(0x81, Buffer.from(text));
  }

  close() {
    if (!this.socket) return;
    this.frame(0x88, Buffer.from([1000 >> 8, 1000 & 0xff]));
    this.socket.end();
  }

  take(part) {
    this.bytes = Buffer.concat([this.bytes, part]);
    for (;;) {
      const long = this.bytes.length > 1 && this.bytes[1] === 126;
      const head = long ? 4 : 2;
      if (this.bytes.length < head) return;
      const end = head + (long ? this.bytes.readUInt16BE(2) : this.bytes[1]);
      if (this.bytes.length < end) return;
      const opcode = this.bytes[0] & 15;
      const payload = this.bytes.subarray(head, end);
      this.bytes = this.bytes.subarray(end);
      if (opcode === 1) this.onmessage({ data: payload.toString() });
      if (opcode === 9) this.frame(0x8a, payload); // a ping wants its pong
      if (opcode === 8) {
        const code = payload.length < 2 ? 1005 : payload.readUInt16BE(0);
        this.ended(code, payload.subarray(2).toString());
      }
    }
  }
}

async function placeOrder(url) {
  const reply = await fetch(`${url}/orders`, {
    method: "POST",
    // The same key for every try of the same order: it is placed once, whatever breaks.
    headers: { "Content-Type": "application/json", "Idempotency-Key": globalThis.crypto.randomUUID() },
    body: JSON.stringify({
      source: "KIOSK",
      lines: [{ sku: "TEA-1", name: "Green tea", quantity: 2, unitPriceMinor: 350 }],
    }),
  });
  if (reply.status !== 201) throw new Error(`POST: ${reply.status} ${await reply.text()}`);
  return reply.json();
}

async function waitForOrder(url = "http://127.0.0.1:8081") {
  for (const way of [byAskingAgain, byLongPoll, byWebSocket]) {
    const placed = await placeOrder(url);
    const begin = performance.now();
    const order = await way(url, placed.orderId, placed.version);
    const ms = (performance.now() - begin).toFixed(1);
    console.log(`${way.name}: ${order.orderNumber} can be read ${ms} ms after its 201`);
  }
}

if (typeof process === "object" && process.release && process.release.name === "node") {
  globalThis.crypto ??= require("node:crypto").webcrypto; // Node 18
  waitForOrder(process.argv[2]).catch((error) => {
    console.error(error.cause ? error.cause.message : error.message);
    process.exitCode = 1;
  });
}
