// What a user of the generated client would write: types come from our document, so this file must also compile.
import { strict as assert } from "node:assert";
import { client } from "./generated/client.gen";
import {
  createAssistant,
  createCall,
  createTool,
  deleteAssistant,
  deleteCall,
  getAssistant,
  getAssistantVersions,
  listAssistants,
  listCalls,
  listStructuredOutputs,
  updateAssistant,
} from "./generated/sdk.gen";

async function main(): Promise<void> {
  client.setConfig({ baseUrl: process.env.BASE_URL, auth: () => process.env.KEY });

  const made = await createAssistant({
    body: { name: "Reception", firstMessage: "Hello!", model: { provider: "openai", model: "gpt-4o" } },
  });
  assert.equal(made.response.status, 201);
  const id: string = made.data!.id;
  assert.equal(made.data!.firstMessage, "Hello!");

  const read = await getAssistant({ path: { id } });
  assert.deepEqual(read.data, made.data);
  const listed = await listAssistants({ query: { limit: 10 } });
  assert.ok(listed.data!.some((assistant) => assistant.id === id));
  const changed = await updateAssistant({ path: { id }, body: { firstMessage: null } });
  assert.equal(changed.data!.firstMessage, null);
  const versions = await getAssistantVersions({ path: { id } });
  assert.deepEqual(versions.data!.results.map((version) => version.version), ["v2", "v1"]);

  const tool = await createTool({ body: { type: "endCall" } });
  assert.equal(tool.response.status, 201);
  const call = await createCall({ body: { assistantId: id, transport: { provider: "vapi.websocket" } } });
  assert.equal(call.data!.status, "queued");
  assert.ok(call.data!.transport!.websocketCallUrl!.startsWith("ws://"));
  assert.ok((await listCalls({ query: { assistantId: id } })).data!.length === 1);
  assert.equal((await deleteCall({ path: { id: call.data!.id }, body: {} })).response.status, 200);
  const page = await listStructuredOutputs({ query: { page: 1, limit: 5 } });
  assert.equal(page.data!.metadata.totalItems, 0);

  const refused = await createAssistant({ body: { name: "x".repeat(41) } });
  assert.equal(refused.response.status, 400);
  assert.deepEqual(refused.error!.message, ["name must be shorter than or equal to 40 characters"]);
  assert.equal((await deleteAssistant({ path: { id } })).response.status, 200);
  assert.equal((await getAssistant({ path: { id } })).response.status, 404);
  console.log("done");
}

main().catch((fault: unknown) => {
  console.error(fault);
  process.exit(1);
});
