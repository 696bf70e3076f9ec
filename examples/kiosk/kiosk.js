// A kiosk: places orders at a node, and shows each once it can be read back.
//
// The node is the one that this page comes from, or ?node=http://till1:8081, or this machine's.
// A page from elsewhere must be listed there in http.allowed_origins; see README.md.
"use strict";

const PRODUCTS = [
  { sku: "TEA-1", name: "Green tea", unitPriceMinor: 350 },
  { sku: "COF-1", name: "Coffee", unitPriceMinor: 290 },
  { sku: "CAKE-1", name: "Cheesecake", unitPriceMinor: 420 },
];

const ownOrigin = location.protocol.startsWith("http") ? location.origin : null;
const node = new URLSearchParams(location.search).get("node") || ownOrigin || "http://127.0.0.1:8081";
const $ = (id) => document.getElementById(id);
const basket = new Map(); // sku: quantity
const waiting = new Map(); // order id: its line on the page
let socket = null;
let pause = 500;

function line(text, className) {
  const item = document.createElement("li");
  item.textContent = text;
  item.className = className;
  return item;
}

function money(minor) {
  return (minor / 100).toFixed(2);
}

function showBasket() {
  const lines = PRODUCTS.filter((product) => basket.has(product.sku)).map((product) => {
    const quantity = basket.get(product.sku);
    return line(`${quantity} x ${product.name}: ${money(quantity * product.unitPriceMinor)}`, "");
  });
  $("basket").replaceChildren(...lines);
  $("place").disabled = lines.length === 0;
}

function showProducts() {
  for (const product of PRODUCTS) {
    const button = document.createElement("button");
    button.textContent = `${product.name} ${money(product.unitPriceMinor)}`;
    button.addEventListener("click", () => {
      basket.set(product.sku, (basket.get(product.sku) || 0) + 1);
      showBasket();
    });
    $("products").append(button);
  }
}

// The same key for every try: the order is placed once, whether or not an answer gets lost.
async function send(body, key) {
  for (let tries = 1; ; tries++) {
    try {
      const reply = await fetch(`${node}/orders`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "Idempotency-Key": key },
        body: JSON.stringify(body),
      });
      const answer = await reply.json();
      if (reply.status !== 503) return { status: reply.status, answer };
    } catch (error) {
      if (tries >= 5) throw error;
    }
    $("message").textContent = "One moment ...";
    await new Promise((done) => setTimeout(done, Math.min(5000, 500 * tries)));
  }
}

async function place() {
  const lines = PRODUCTS.filter((product) => basket.has(product.sku)).map((product) => ({
    ...product,
    quantity: basket.get(product.sku),
  }));
  $("place").disabled = true;
  try {
    const { status, answer } = await send({ source: "KIOSK", lines }, newKey());
    $("message").textContent = status === 201 ? answer.message : `Refused: ${answer.detail}`;
    if (status === 201) {
      basket.clear();
      wait(answer);
    }
  } catch {
    $("message").textContent = `Nobody answers at ${node}. Is it listed in http.allowed_origins?`;
  }
  showBasket();
}

// crypto.randomUUID is there on https and localhost only.
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function wait(placed) {
  const item = line(`${placed.orderNumber}: will appear shortly`, "waiting");
  $("orders").append(item);
  waiting.set(placed.orderId, item);
  sendTopic("subscribe", placed.orderId);
}

// command: "subscribe" or "unsubscribe".
function sendTopic(command, orderId) {
  if (socket && socket.readyState === WebSocket.OPEN) {
    socket.send(JSON.stringify({ [command]: `/topic/orders/${orderId}` }));
  }
}

async function show(orderId, version) {
  const item = waiting.get(orderId);
  if (!item) return;
  waiting.delete(orderId);
  sendTopic("unsubscribe", orderId);
  const reply = await fetch(`${node}/orders/${orderId}?minVersion=${version}`);
  const order = await reply.json();
  item.textContent = `${order.orderNumber}: ${money(order.totalMinor)} ${order.currency}, ${order.status}`;
  item.className = "ready";
}

// Whatever breaks, what still waits is subscribed to again, and is told at once if it is there.
function connect() {
  socket = new WebSocket(`${node.replace(/^http/, "ws")}/ws`, "tillbox.v1");
  socket.onopen = () => {
    pause = 500;
    $("state").textContent = "";
    for (const orderId of waiting.keys()) sendTopic("subscribe", orderId);
  };
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    show(message.orderId, message.version);
  };
  socket.onclose = () => {
    socket = null;
    if (waiting.size > 0) $("state").textContent = "Connecting again ...";
    setTimeout(connect, pause * (0.5 + Math.random()));
    pause = Math.min(pause * 2, 30000);
  };
}

$("place").addEventListener("click", place);
showProducts();
showBasket();
connect();
