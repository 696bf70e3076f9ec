// The kiosk page without a browser: node kiosk_dom.js EXAMPLES URL ORIGIN
// A document of a few lines, and fetch and WebSocket as a page of ORIGIN has them. Buys two things
// and waits until the order is shown as ready and no longer subscribed to; prints what the page says, a line each time.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");
const [examples, url, origin] = process.argv.slice(2);

class Element {
  constructor() {
    this.children = [];
    this.text = "";
    this.className = "";
    this.disabled = false;
  }
  get textContent() { return this.text; }
  set textContent(text) {
    this.text = text;
    console.log(text);
  }
  append(child) { this.children.push(child); }
  replaceChildren(...children) { this.children = children; }
  addEventListener(_, listener) { this.click = () => this.disabled || listener(); }
}

// What a browser does for a page from elsewhere: asks before a command, and keeps answers from it.
async function pageFetch(target, options = {}) {
  const headers = { ...options.headers, Origin: origin };
  const allowed = (reply) => reply.headers.get("Access-Control-Allow-Origin") === origin;
  if (options.method === "POST") {
    const asked = await fetch(target, { method: "OPTIONS", headers: { Origin: origin } });
    const names = (asked.headers.get("Access-Control-Allow-Headers") || "").toLowerCase();
    const known = Object.keys(options.headers).every((name) => names.includes(name.toLowerCase()));
    if (!allowed(asked) || !known) throw new TypeError("refused by CORS");
  }
  const reply = await fetch(target, { ...options, headers });
  if (!allowed(reply)) throw new TypeError("refused by CORS");
  return reply;
}

// The example's own WebSocket, with what a page may ask of one.
function loadWebSocket() {
  const source = fs.readFileSync(path.join(examples, "wait_for_order.js"), "utf8");
  const context = vm.createContext({ require, Buffer, crypto: globalThis.crypto });
  vm.runInContext(source, context);
  const Small = vm.runInContext("SmallWebSocket", context);
  return class WebSocket extends Small {
    static OPEN = 1;
    send(text) {
      const orderId = JSON.parse(text).unsubscribe?.replace("/topic/orders/", "");
      if (orderId) unsubscribed.add(orderId);
      super.send(text);
    }
    get readyState() { return this.socket && !this.socket.destroyed ? 1 : 0; }
  };
}

const elements = {};
const unsubscribed = new Set(); // order ids
const document = {
  getElementById: (id) => (elements[id] ??= new Element()),
  createElement: () => new Element(),
};
globalThis.crypto ??= require("node:crypto").webcrypto;
const page = vm.createContext({
  document, crypto: globalThis.crypto, URLSearchParams, setTimeout, fetch: pageFetch,
  WebSocket: loadWebSocket(),
  location: new URL(`${origin}/index.html?node=${url}`),
});
vm.runInContext(fs.readFileSync(path.join(examples, "kiosk", "kiosk.js"), "utf8"), page);

elements.products.children[0].click();
elements.products.children[1].click();
elements.place.click();
const deadline = Date.now() + 30000;
(function look() {
  const order = (elements.orders || new Element()).children[0];
  // The page has given up the order that it shows, and only that.
  if (order && order.className === "ready") process.exit(unsubscribed.size === 1 ? 0 : 1);
  if (Date.now() > deadline || /Nobody answers|Refused/.test(elements.message?.text)) process.exit(1);
  setTimeout(look, 20);
})();
