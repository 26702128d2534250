// Vapi's own SDK for servers, told nothing but the base URL and a key.
const assert = require("node:assert").strict;
const { VapiClient, VapiError } = require("@vapi-ai/server-sdk");

async function main() {
  const vapi = new VapiClient({ token: process.env.KEY, baseUrl: process.env.BASE_URL });

  const assistant = await vapi.assistants.create({
    name: "Reception",
    firstMessage: "Hello!",
    model: { provider: "openai", model: "gpt-4o", messages: [{ role: "system", content: "Be brief." }] },
    voice: { provider: "vapi", voiceId: "Elliot" },
  });
  assert.equal(assistant.model.messages[0].content, "Be brief.");
  assert.deepEqual(await vapi.assistants.get({ id: assistant.id }), assistant);
  assert.ok((await vapi.assistants.list({ limit: 10 })).some((listed) => listed.id === assistant.id));
  const changed = await vapi.assistants.update({ id: assistant.id, firstMessage: "Good morning!" });
  assert.equal(changed.firstMessage, "Good morning!");

  const tool = await vapi.tools.create({
    type: "function",
    function: { name: "book", description: "Books.", parameters: { type: "object", properties: {} } },
    server: { url: "https://tools.example/book" },
  });
  assert.equal(tool.type, "function");
  assert.ok((await vapi.tools.list()).some((listed) => listed.id === tool.id));
  assert.equal((await vapi.tools.delete({ id: tool.id })).id, tool.id);

  const call = await vapi.calls.create({ assistantId: assistant.id, transport: { provider: "vapi.websocket" } });
  assert.equal(call.status, "queued");
  assert.equal((await vapi.calls.get({ id: call.id })).id, call.id);
  assert.equal((await vapi.calls.list({ assistantId: assistant.id })).length, 1);
  assert.equal((await vapi.calls.update({ id: call.id, name: "Mary" })).name, "Mary");
  assert.equal((await vapi.calls.delete({ id: call.id })).id, call.id);

  const squad = await vapi.squads.create({ name: "Desk", members: [{ assistantId: assistant.id }] });
  assert.equal((await vapi.squads.get({ id: squad.id })).members.length, 1);
  await vapi.squads.delete({ id: squad.id });

  assert.equal((await vapi.assistants.delete({ id: assistant.id })).id, assistant.id);
  await assert.rejects(vapi.assistants.get({ id: assistant.id }), (fault) => {
    assert.ok(fault instanceof VapiError);
    assert.equal(fault.statusCode, 404);
    return true;
  });
  await assert.rejects(new VapiClient({ token: "nobody", baseUrl: process.env.BASE_URL }).assistants.list(), {
    statusCode: 401,
  });
  console.log("done");
}

main().catch((fault) => {
  console.error(fault);
  process.exit(1);
});
