// The real core, behind Tauri's commands and events. The only file that knows Tauri.
import { Channel } from "@tauri-apps/api/core";
import { commands, events, type Failed, type LookNews } from "./bindings";
import { IpcFailure, type Core } from "./client";

type Answer<T> = { status: "ok"; data: T } | { status: "error"; error: Failed };

async function unwrap<T>(answer: Promise<Answer<T>>): Promise<T> {
  const got = await answer;
  if (got.status === "error") throw new IpcFailure(got.error);
  return got.data;
}

async function done(answer: Promise<Answer<null>>): Promise<void> {
  await unwrap(answer);
}

const core: Core = {
  board: () => unwrap(commands.board()),
  figures: (window) => unwrap(commands.figures(window)),
  days: (scope, days) => unwrap(commands.days(scope, days)),
  rowHistories: (ids) => unwrap(commands.rowHistories(ids)),
  monitorPage: (id) => unwrap(commands.monitorPage(id)),
  series: (id, from, to, buckets) => unwrap(commands.series(id, from, to, buckets)),
  parts: (id, from, to, buckets) => unwrap(commands.parts(id, from, to, buckets)),
  incidents: (id, from, to, limit) => unwrap(commands.incidents(id, from, to, limit)),
  results: (id, limit, after) => unwrap(commands.results(id, limit, after)),

  checkNow: (ids) => done(commands.checkNow(ids)),
  pause: (ids, until) => done(commands.pause(ids, until)),
  resume: (ids) => done(commands.resume(ids)),
  acknowledge: (incident, note) => done(commands.acknowledge(incident, note)),
  mute: (until) => done(commands.mute(until)),

  formSpec: () => unwrap(commands.formSpec()),
  draft: (of) => unwrap(commands.draft(of)),
  checkDraft: (draft) => unwrap(commands.checkDraft(draft)),
  saveDraft: (draft) => unwrap(commands.saveDraft(draft)),
  removeMonitors: (ids) => unwrap(commands.removeMonitors(ids)),
  undo: (base) => unwrap(commands.undo(base)),
  versions: () => unwrap(commands.versions()),
  restoreVersion: (id) => unwrap(commands.restoreVersion(id)),

  firstRun: () => unwrap(commands.firstRun()),
  watch: (suggestions) => unwrap(commands.watch(suggestions)),
  importConfig: (text) => unwrap(commands.importConfig(text)),

  storageOverview: () => unwrap(commands.storageOverview()),
  storageDraft: (backend) => unwrap(commands.storageDraft(backend)),
  checkStorage: (form) => unwrap(commands.checkStorage(form)),
  takeApart: (backend, address) => unwrap(commands.takeApart(backend, address)),
  chooseCertificates: (title) => unwrap(commands.chooseCertificates(title)),
  lookAtStorage: (form, hear) => {
    const news = new Channel<LookNews>();
    news.onmessage = hear;
    return unwrap(commands.lookAtStorage(form, news));
  },
  stopLooking: () => done(commands.stopLooking()),
  useStorage: (form) => unwrap(commands.useStorage(form)),
  storageState: () => unwrap(commands.storageState()),
  showFormer: (contact) => done(commands.showFormer(contact)),
  deadLetters: () => unwrap(commands.deadLetters()),
  retryLetters: (ids) => done(commands.retryLetters(ids)),
  dropLetters: (ids) => done(commands.dropLetters(ids)),
  retention: () => unwrap(commands.retention()),
  checkRetention: (form) => unwrap(commands.checkRetention(form)),
  saveRetention: (form) => unwrap(commands.saveRetention(form)),
  pruneStorage: () => unwrap(commands.pruneStorage()),
  pruning: () => unwrap(commands.pruning()),

  secrets: () => unwrap(commands.secrets()),
  vaultPlaces: () => unwrap(commands.vaultPlaces()),
  setSecret: (name, text, place) => unwrap(commands.setSecret(name, text, place)),
  forgetSecret: (name) => unwrap(commands.forgetSecret(name)),
  plainSecrets: () => unwrap(commands.plainSecrets()),
  movePlainSecrets: (numbers, base, place) => unwrap(commands.movePlainSecrets(numbers, base, place)),
  unlockKeychain: () => unwrap(commands.unlockKeychain()),
  stopUnlocking: () => done(commands.stopUnlocking()),

  diagnostics: () => unwrap(commands.diagnostics()),
  preferences: () => unwrap(commands.preferences()),
  setPreferences: (preferences) => done(commands.setPreferences(preferences)),
  about: () => unwrap(commands.about()),
  setPlace: (hash) => done(commands.setPlace(hash)),
  place: () => unwrap(commands.place()),
  close: (choice, remember) => done(commands.close(choice, remember)),

  onBoardChange: (handler) => events.boardChanged.listen((event) => handler(event.payload)),
  onHistoryChange: (handler) => events.historyChanged.listen((event) => handler(event.payload)),
  onNavigate: (handler) => events.navigate.listen((event) => handler(event.payload)),
  setUnsaved: (unsaved) => done(commands.setUnsaved(unsaved)),
  closeWindow: () => done(commands.closeWindow()),
  onAskClose: (handler) => events.askClose.listen((event) => handler(event.payload)),
};

export function connect(): Promise<Core> {
  return Promise.resolve(core);
}
