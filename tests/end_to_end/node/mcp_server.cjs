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
  const names = (await client.listTools()).tools.map((tool) => tool.name);
  assert.ok(names.includes("list_assistants"), names.join());
  const use = async (name, args = {}) => read(await client.callTool({ name, arguments: args }));
  const made = await use("create_assistant", { name: "From a model", instructions: "Be brief." });
  assert.equal((await use("get_assistant", { assistantId: made.id })).name, "From a model");
  assert.ok((await use("list_assistants")).some((assistant) => assistant.id === made.id));
  assert.deepEqual(await use("list_phone_numbers"), []);
  assert.ok(Array.isArray(await use("list_calls")));
  assert.ok(Array.isArray(await use("list_tools")));
  await client.close();
  console.log("done");
}

main().catch((fault) => {
  console.error(fault);
  process.exit(1);
});
