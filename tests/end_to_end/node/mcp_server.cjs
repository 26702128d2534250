// Vapi's MCP server as a child process. It has no setting for the base URL, so a module loaded before it sends what
// it asks of Vapi to BASE_URL instead.
const assert = require("node:assert").strict;
const path = require("node:path");
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = require("@modelcontextprotocol/sdk/client/stdio.js");

const REDIRECT = `
  const original = globalThis.fetch;
  globalThis.fetch = (address, options) =>
    original(String(address).replace("https://api.vapi.ai", process.env.BASE_URL), options);
`;

function read(answer) {
  assert.ok(!answer.isError, JSON.stringify(answer));
  return JSON.parse(answer.content[0].text);
}

async function main() {
  const main = path.join(process.cwd(), "node_modules/@vapi-ai/mcp-server/dist/index.js");
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: ["--import", `data:text/javascript,${encodeURIComponent(REDIRECT)}`, main],
    env: { ...process.env, VAPI_TOKEN: process.env.KEY },
  });
  const client = new Client({ name: "callfold", version: "1" });
  await client.connect(transport);
  const used = new Set();
  const call = (name, args = {}) => {
    used.add(name);
    return client.callTool({ name, arguments: args });
  };
  const use = async (name, args) => read(await call(name, args));

  const made = await use("create_assistant", { name: "From a model", instructions: "Be brief." });
  assert.equal((await use("get_assistant", { assistantId: made.id })).name, "From a model");
  const changed = await use("update_assistant", { assistantId: made.id, name: "From another model" });
  assert.equal(changed.name, "From another model");
  assert.ok((await use("list_assistants")).some((assistant) => assistant.id === made.id));

  const wanted = { name: "look_up", parameters: { type: "object", properties: { q: { type: "string" } } } };
  const server = { url: "https://tools.example/look-up" };
  const tool = await use("create_tool", { type: "function", name: "look_up", description: "d", function: { ...wanted, server } });
  assert.equal((await use("get_tool", { toolId: tool.id })).id, tool.id);
  assert.equal((await use("update_tool", { toolId: tool.id, name: "look_up", description: "Looks." })).id, tool.id);
  assert.ok((await use("list_tools")).some((listed) => listed.id === tool.id));

  const key = { authorization: `Bearer ${process.env.KEY}`, "content-type": "application/json" };
  const asked = (path, body) =>
    fetch(process.env.BASE_URL + path, { method: "POST", headers: key, body: JSON.stringify(body) }).then((a) => a.json());
  const number = await asked("/phone-number", { provider: "vapi", sipUri: "sip:mcp@sip.example" });
  assert.ok((await use("list_phone_numbers")).some((listed) => listed.id === number.id));
  assert.equal((await use("get_phone_number", { phoneNumberId: number.id })).id, number.id);
  const held = await asked("/call", { assistantId: made.id, transport: { provider: "vapi.websocket" } });
  assert.ok((await use("list_calls")).some((listed) => listed.id === held.id));
  assert.equal((await use("get_call", { callId: held.id })).status, "queued");
  const dialled = await call("create_call", {
    assistantId: made.id, phoneNumberId: number.id, customer: { number: "+14155552671" },
  });
  // Telephones are dialled by carriers, which are not built yet; the model is told so.
  assert.match(JSON.stringify(dialled), /not built yet/);
  assert.deepEqual((await client.listTools()).tools.map((each) => each.name).filter((name) => !used.has(name)), []);
  await client.close();
  console.log("done");
}

main().catch((fault) => {
  console.error(fault);
  process.exit(1);
});
