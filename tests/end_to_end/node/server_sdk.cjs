// Every method of Vapi's own SDK for servers, told nothing but the base URL and a key.
const assert = require("node:assert").strict;
const { VapiClient, VapiError } = require("@vapi-ai/server-sdk");

const key = { token: process.env.KEY, baseUrl: process.env.BASE_URL };
const called = new Set();

/** The client, writing down what is called. */
function watched(client) {
  return new Proxy(client, {
    get: (_, name) => new Proxy(client[name], {
      get: (resource, method) => (...sent) => {
        called.add(`${String(name)}.${String(method)}`);
        return resource[method](...sent);
      },
    }),
  });
}

/** Every method there is. */
function methods(client) {
  const resources = Object.entries(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(client)));
  return resources.filter(([, described]) => described.get).flatMap(([name]) =>
    Object.getOwnPropertyNames(Object.getPrototypeOf(client[name]))
      .filter((method) => method !== "constructor" && !method.startsWith("_"))
      .map((method) => `${name}.${method}`));
}

const own = new VapiClient(key);
const vapi = watched(own);

async function refused(status, asked) {
  let fault;
  await assert.rejects(asked, (error) => {
    fault = error;
    return error instanceof VapiError && error.statusCode === status;
  });
  return fault;
}

const once = { maxRetries: 0 };
const unbuilt = (asked) => refused(501, asked);
const model = {
  provider: "vapi",
  model: "guided-conversation",
  messages: [{ role: "system", content: "# Facts\nParking: Parking is free." }],
};

/** Create, get, list, change and delete by the names that the SDK has for them. */
async function life(resource, names, body, change, { page = false, whole = {}, keep = false } = {}) {
  const made = await resource[names.create](body);
  assert.ok(made.id, names.create);
  assert.deepEqual(await resource[names.get]({ id: made.id }), made);
  const listed = await resource[names.list](names.filter ?? {});
  const found = page ? listed.results : listed;
  assert.ok(found.some((one) => one.id === made.id), names.list);
  const changed = await resource[names.update]({ id: made.id, ...whole, ...change });
  const [[field, value]] = Object.entries(change.body ?? change).filter(([name]) => !["type", "provider"].includes(name));
  assert.deepEqual(changed[field], value, names.update);
  if (!keep) await gone(resource, names, made.id);
  return made;
}

async function gone(resource, names, id) {
  assert.equal((await resource[names.remove]({ id })).id, id);
  await refused(404, resource[names.get]({ id }));
}

const plain = { create: "create", get: "get", list: "list", update: "update", remove: "delete" };
const controlled = (prefix, ends = {}) => Object.fromEntries(
  Object.entries({ create: "Create", get: "FindOne", list: "FindAll", update: "Update", remove: "Remove", ...ends })
    .map(([name, end]) => [name, `${prefix}Controller${end}`]));

async function conversations(assistant) {
  const call = await vapi.calls.create({ assistantId: assistant.id, transport: { provider: "vapi.websocket" } });
  assert.deepEqual([call.status, call.transport.provider], ["queued", "vapi.websocket"]);
  assert.equal((await vapi.calls.get({ id: call.id })).id, call.id);
  assert.equal((await vapi.calls.list({ assistantId: assistant.id })).length, 1);
  assert.equal((await vapi.calls.update({ id: call.id, name: "Mary" })).name, "Mary");
  for (const what of ["MonoRecording", "StereoRecording", "VideoRecording", "CustomerRecording", "AssistantRecording",
    "Pcap", "CallLogs"]) {
    await refused(404, vapi.calls[`callArtifactController${what}Download`]({ id: call.id }));
  }
  const other = await vapi.calls.create({ assistantId: assistant.id, transport: { provider: "vapi.websocket" } });
  const several = await vapi.calls.delete({ id: call.id, ids: [other.id] });
  assert.deepEqual(several.results, [{ id: other.id, status: "deleted" }]);
  assert.equal((await vapi.calls.delete({ id: call.id })).id, call.id);
  await refused(404, vapi.calls.get({ id: call.id }));

  const session = await vapi.sessions.create({ assistantId: assistant.id, name: "visit" });
  const chat = await vapi.chats.create({ input: "how about parking?", sessionId: session.id });
  assert.equal(chat.output[0].content, "Parking is free.");
  const again = await vapi.chats.create({ input: [{ role: "user", content: "parking?" }], assistantId: assistant.id });
  assert.deepEqual((await vapi.chats.get({ id: again.id })).output, again.output);
  assert.deepEqual((await vapi.chats.list({ sessionId: session.id })).results.map((one) => one.id), [chat.id]);
  const response = await vapi.chats.createResponse({ input: "parking?", assistantId: assistant.id, stream: false });
  assert.equal(response.output[0].content[0].text, "Parking is free.");
  assert.equal((await vapi.chats.delete({ id: again.id })).id, again.id);
  assert.equal((await vapi.sessions.get({ id: session.id })).messages.length, 2);
  assert.equal((await vapi.sessions.list({ name: "visit" })).results[0].id, session.id);
  assert.equal((await vapi.sessions.update({ id: session.id, status: "completed" })).status, "completed");
  await gone(vapi.sessions, plain, session.id);
}

async function knowledge() {
  const file = await vapi.files.create({ file: new File(["We open at nine."], "hours.txt", { type: "text/plain" }) });
  assert.equal(file.name, "hours.txt");
  assert.equal((await vapi.files.get({ id: file.id })).bytes, 16);
  assert.ok(Array.isArray(await vapi.files.list({ purpose: "assistant" })));
  assert.equal((await vapi.files.update({ id: file.id, name: "opening.txt" })).name, "opening.txt");
  const bases = vapi.knowledgeBasesV2;
  const base = await bases.knowledgeBaseV2ControllerCreate({ name: "Practice" });
  assert.equal((await bases.knowledgeBaseV2ControllerUpdate({ id: base.id, description: "All" })).description, "All");
  assert.ok((await bases.knowledgeBaseV2ControllerFindAll()).some((one) => one.id === base.id));
  const tied = { id: base.id, fileId: file.id };
  assert.equal((await bases.knowledgeBaseV2ControllerFileAttach(tied)).fileId, file.id);
  assert.equal((await bases.knowledgeBaseV2ControllerFilesGet({ id: base.id }))[0].fileId, file.id);
  assert.equal((await bases.knowledgeBaseV2ControllerFindOne({ id: base.id })).files.length, 1);
  while ((await bases.knowledgeBaseV2ControllerFilesGet({ id: base.id }))[0].status === "indexing");
  await refused(400, bases.knowledgeBaseV2ControllerFileRetry(tied, once));
  assert.equal((await bases.knowledgeBaseV2ControllerFileDetach(tied)).fileId, file.id);
  assert.equal((await bases.knowledgeBaseV2ControllerRemove({ id: base.id })).id, base.id);
  assert.equal((await vapi.files.delete({ id: file.id })).id, file.id);
}

async function campaigns(assistant) {
  const number = await vapi.phoneNumbers.create({ provider: "vapi", sipUri: "sip:desk@sip.example", name: "Desk" });
  const page = await vapi.phoneNumbers.phoneNumberControllerFindAllPaginated({ search: "desk" });
  assert.equal(page.metadata.totalItems, 1);
  assert.equal((await vapi.phoneNumbers.get({ id: number.id })).sipUri, "sip:desk@sip.example");
  assert.equal((await vapi.phoneNumbers.list()).length, 1);
  const renamed = await vapi.phoneNumbers.update({ id: number.id, body: { provider: "vapi", name: "Front" } });
  assert.equal(renamed.name, "Front");
  const body = {
    name: "Recall", assistantId: assistant.id, phoneNumberId: number.id, customers: [{ number: "+14155552671" }],
  };
  const first = controlled("campaign");
  await life(vapi.campaigns, first, body, { body: { name: "Recall 2" } }, { page: true });
  const second = await vapi.campaigns.campaignControllerCreateV2({ ...body, maxConcurrency: 1 });
  assert.ok((await vapi.campaigns.campaignControllerFindAllV2()).results.some((one) => one.id === second.id));
  assert.equal((await vapi.campaigns.campaignControllerFindOneV2({ id: second.id })).name, "Recall");
  const contacts = await vapi.campaigns.campaignControllerGetCampaignV2Contacts({ id: second.id });
  assert.equal(contacts.results[0].number, "+14155552671");
  const cancel = { id: second.id, body: { status: "cancelled" } };
  assert.equal((await vapi.campaigns.campaignControllerUpdateV2(cancel)).status, "cancelled");
  assert.equal((await vapi.campaigns.campaignControllerRemoveV2({ id: second.id })).id, second.id);
  assert.equal((await vapi.phoneNumbers.delete({ id: number.id })).id, number.id);
}

async function trials(assistant) {
  const output = { name: "booked", schema: { type: "boolean" } };
  const outputs = controlled("structuredOutput");
  await life(vapi.structuredOutputs, outputs, output, { description: "d" }, { page: true, whole: { schemaOverride: "" } });
  await unbuilt(vapi.structuredOutputs.structuredOutputControllerRun({ callIds: [assistant.id] }, once));
  const kept = await vapi.structuredOutputs.structuredOutputControllerCreate(output);
  const points = [{ type: "comparator", comparator: "=", value: true, points: 100 }];
  const card = { name: "Quality", metrics: [{ structuredOutputId: kept.id, conditions: points }] };
  const cards = controlled("scorecard", { get: "Get", list: "GetPaginated" });
  await life(vapi.observabilityScorecard, cards, card, { name: "Better" }, { page: true });

  const script = { type: "chat.mockConversation", name: "Greets", messages: [{ role: "user", content: "Hi" }] };
  const evals = controlled("eval", { get: "Get", list: "GetPaginated" });
  await life(vapi.eval, evals, script, { description: "d" }, { page: true });
  const target = { type: "assistant", assistantId: assistant.id };
  await unbuilt(vapi.eval.evalControllerRun({ type: "eval", target }, once));
  await unbuilt(vapi.eval.evalControllerGetRunsPaginated({}, once));
  await unbuilt(vapi.eval.evalControllerGetRun({ id: assistant.id }, once));
  await unbuilt(vapi.eval.evalControllerRemoveRun({ id: assistant.id }, once));

  const personalities = controlled("personality");
  const someone = { name: "Impatient", assistant: { firstMessage: "Quick!" } };
  await life(vapi.simulationPersonalities, personalities, someone, { path: "a/b" });
  const person = await vapi.simulationPersonalities.personalityControllerCreate(someone);
  const evaluations = [{ structuredOutputId: kept.id, comparator: "=", value: true }];
  const play = { name: "Books", instructions: "Book.", evaluations };
  await life(vapi.simulationScenarios, controlled("scenario"), play, { instructions: "Hurry." });
  const scenario = await vapi.simulationScenarios.scenarioControllerCreate(play);
  const pair = { scenarioId: scenario.id, personalityId: person.id, name: "Both" };
  await life(vapi.simulations, controlled("simulation"), pair, { name: "Calm" });
  const simulation = await vapi.simulations.simulationControllerCreate(pair);
  const suite = { name: "Nightly", simulationIds: [simulation.id] };
  const suites = controlled("simulationSuite");
  const made = await life(vapi.simulationSuites, suites, suite, { name: "Weekly" }, { keep: true });
  const copy = await vapi.simulationSuites.simulationSuiteControllerDuplicate({ id: made.id });
  assert.equal(copy.name, "Weekly (copy)");
  await gone(vapi.simulationSuites, suites, made.id);
  assert.equal((await vapi.simulations.simulationControllerGetConcurrency()).activeSimulations, 0);
  await unbuilt(vapi.simulations.simulationGenerateControllerGenerate({}, once));
  const runs = vapi.simulationRuns;
  const item = { id: assistant.id, itemId: assistant.id };
  await unbuilt(runs.simulationRunControllerFindAll({}, once));
  await unbuilt(runs.simulationRunControllerCreate({ simulations: [], target }, once));
  for (const method of ["FindOne", "CancelGroup", "FindItems", "FindItem", "CancelItem", "GenerateSuggestions"]) {
    await unbuilt(runs[`simulationRunController${method}`]({ ...item, force: "true" }, once));
  }
}

async function figures() {
  const queries = [{ type: "vapiql-json", table: "call", column: "id", operation: "count", name: "n" }];
  const bar = { type: "bar", name: "Calls", groupBy: "endedReason", queries, formulas: [{ formula: "{{n}} * 2" }] };
  const insights = controlled("insight");
  const change = { body: { type: "bar", name: "All calls" } };
  const made = await life(vapi.insight, insights, bar, change, { page: true, keep: true });
  assert.ok(await vapi.insight.insightControllerRun({ id: made.id }));
  assert.ok(await vapi.insight.insightControllerPreview(bar));
  const board = { name: "Wall", layout: { columns: 6 } };
  await life(vapi.board, controlled("board"), board, { name: "Door" }, { page: true });
  assert.ok((await vapi.board.boardControllerMetricsOverviewEnsure()).id);
  await gone(vapi.insight, insights, made.id);
  const operations = [{ operation: "count", column: "id" }];
  const [answer] = await vapi.analytics.get({ queries: [{ name: "calls", table: "call", operations }] });
  assert.equal(answer.name, "calls");

  const where = { provider: "11labs", resourceName: "pronunciation-dictionary" };
  const words = vapi.providerResources;
  const rules = [{ string_to_replace: "Siobhan", type: "alias", alias: "Shivawn" }];
  // The SDK has no body for these; clients that need one send it themselves.
  await refused(400, words.providerResourceControllerCreateProviderResource(where, once));
  const sent = await fetch(`${key.baseUrl}/provider/11labs/pronunciation-dictionary`, {
    method: "POST",
    headers: { authorization: `Bearer ${key.token}`, "content-type": "application/json" },
    body: JSON.stringify({ name: "Names", rules }),
  });
  const dictionary = await sent.json();
  const one = { ...where, id: dictionary.id };
  assert.equal((await words.providerResourceControllerGetProviderResource(one)).id, dictionary.id);
  const page = await words.providerResourceControllerGetProviderResourcesPaginated(where);
  assert.equal(page.results.length, 1);
  await refused(400, words.providerResourceControllerUpdateProviderResource(one, once));
  assert.equal((await words.providerResourceControllerDeleteProviderResource(one)).id, dictionary.id);
}

async function main() {
  const assistant = await life(
    vapi.assistants,
    plain,
    { name: "Reception", firstMessage: "Hello!", model, voice: { provider: "vapi", voiceId: "Elliot" } },
    { firstMessage: "Good morning!" },
    { keep: true },
  );
  const sound = await vapi.assistants.assistantControllerValidateBackgroundSoundUrl({ url: "http://10.0.0.1/a.mp3" });
  assert.deepEqual(sound, { valid: false, reason: "blocked-address" });
  const tool = { type: "function", function: { name: "book", parameters: { type: "object", properties: {} } } };
  await life(vapi.tools, plain, tool, { body: { type: "function", async: true } });
  const members = [{ assistantId: assistant.id }];
  await life(vapi.squads, plain, { name: "Desk", members }, { members, name: "Front" });
  await conversations(assistant);
  await knowledge();
  await campaigns(assistant);
  await trials(assistant);
  await figures();
  await gone(vapi.assistants, plain, assistant.id);
  await refused(401, new VapiClient({ ...key, token: "nobody" }).assistants.list());
  assert.deepEqual(methods(own).filter((method) => !called.has(method)), []);
  console.log(`done: ${called.size} methods`);
}

main().catch((fault) => {
  console.error(fault);
  process.exit(1);
});
