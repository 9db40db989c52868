//! What the window may ask. Each is one line into the core. What the configuration file holds goes out as it is written,
//! `${…}` unexpanded; what the vault holds never does.

use std::sync::Arc;

use hallmonitor::screen::{
    About, Board, DayMark, DeadLetters, DraftOf, Failed, FieldError, Figures, FileVersion, FirstRun, FormSpec,
    IncidentPage, LookNews, LookOutcome, Millis, MonitorDraft, MonitorPage, MoveOutcome, Number, Parts, PlainSecrets,
    Preferences, PruneShown, ResultCursor, ResultPage, RetentionCheck, RetentionDraft, RetentionForm, RowHistory,
    SaveOutcome, Scope, SecretOutcome, Series, StorageDraft, StorageForm, StorageOverview, StorageState, TakenApart,
    UnlockOutcome, UseOutcome, VaultPlace, VaultSecret, Window,
};
use hallmonitor::secret::SecretText;
use tauri::ipc::Channel;
use tauri::{AppHandle, State};

use crate::house::House;
use crate::{choose, prefs, push, shell, tray, window};

type Answer<T> = Result<T, Failed>;
type Core<'a> = State<'a, Arc<House>>;

/// A text that may hold a secret, on its way in.
#[derive(Debug, serde::Deserialize, specta::Type)]
#[serde(transparent)]
pub(crate) struct SecretInput(#[specta(type = String)] SecretText);

/// Everything as it is now. From then on changes come as events.
#[tauri::command]
#[specta::specta]
pub(crate) async fn board(app: AppHandle, core: Core<'_>) -> Answer<Board> {
    let screens = core.screens().await?;
    let board = screens.board();
    push::start(&app, &screens, board.revision);
    Ok(board)
}

/// Figures over all monitors.
#[tauri::command]
#[specta::specta]
pub(crate) async fn figures(core: Core<'_>, window: Window) -> Answer<Figures> {
    core.screens().await?.figures(window).await
}

/// Days of all monitors, of a group or of one, oldest first.
#[tauri::command]
#[specta::specta]
pub(crate) async fn days(core: Core<'_>, scope: Option<Scope>, days: u32) -> Answer<Vec<DayMark>> {
    core.screens().await?.days(scope, days).await
}

/// What rows of the table show besides their state.
#[tauri::command]
#[specta::specta]
pub(crate) async fn row_histories(core: Core<'_>, ids: Vec<String>) -> Answer<Vec<RowHistory>> {
    core.screens().await?.row_histories(&ids).await
}

/// One monitor's page.
#[tauri::command]
#[specta::specta]
pub(crate) async fn monitor_page(core: Core<'_>, id: String) -> Answer<MonitorPage> {
    core.screens().await?.monitor_page(&id).await
}

/// Answer time and state over time.
#[tauri::command]
#[specta::specta]
pub(crate) async fn series(core: Core<'_>, id: String, from: Millis, to: Millis, buckets: u32) -> Answer<Series> {
    core.screens().await?.series(&id, from, to, buckets).await
}

/// The parts of checks over time.
#[tauri::command]
#[specta::specta]
pub(crate) async fn parts(core: Core<'_>, id: String, from: Millis, to: Millis, buckets: u32) -> Answer<Parts> {
    core.screens().await?.parts(&id, from, to, buckets).await
}

/// Incidents, newest first.
#[tauri::command]
#[specta::specta]
pub(crate) async fn incidents(
    core: Core<'_>,
    id: Option<String>,
    from: Millis,
    to: Millis,
    limit: u32,
) -> Answer<IncidentPage> {
    core.screens().await?.incidents(id.as_deref(), from, to, limit).await
}

/// Results of a monitor, newest first.
#[tauri::command]
#[specta::specta]
pub(crate) async fn results(core: Core<'_>, id: String, limit: u32, after: Option<ResultCursor>) -> Answer<ResultPage> {
    core.screens().await?.results(&id, limit, after).await
}

/// Checks now; none named means all.
#[tauri::command]
#[specta::specta]
pub(crate) async fn check_now(core: Core<'_>, ids: Vec<String>) -> Answer<()> {
    core.screens().await?.check_now(&ids)
}

/// Pauses; none named means all.
#[tauri::command]
#[specta::specta]
pub(crate) async fn pause(core: Core<'_>, ids: Vec<String>, until: Option<Millis>) -> Answer<()> {
    core.screens().await?.pause(&ids, until).await
}

/// Ends pauses; none named means all.
#[tauri::command]
#[specta::specta]
pub(crate) async fn resume(core: Core<'_>, ids: Vec<String>) -> Answer<()> {
    core.screens().await?.resume(&ids).await
}

/// A person has seen an open incident.
#[tauri::command]
#[specta::specta]
pub(crate) async fn acknowledge(core: Core<'_>, incident: String, note: String) -> Answer<()> {
    core.screens().await?.acknowledge(&incident, &note).await
}

/// Mutes notices until a time; none: not any more.
#[tauri::command]
#[specta::specta]
pub(crate) async fn mute(app: AppHandle, core: Core<'_>, until: Option<Millis>) -> Answer<()> {
    core.screens().await?.mute(until);
    tray::update(&app);
    Ok(())
}

/// What a form for a monitor is drawn from.
#[tauri::command]
#[specta::specta]
pub(crate) async fn form_spec(core: Core<'_>) -> Answer<FormSpec> {
    core.screens().await?.form_spec().await
}

/// The draft of a monitor that there is, or of a new one.
#[tauri::command]
#[specta::specta]
pub(crate) async fn draft(core: Core<'_>, of: DraftOf) -> Answer<MonitorDraft> {
    core.screens().await?.draft(of).await
}

/// What is wrong with a draft, at its fields.
#[tauri::command]
#[specta::specta]
pub(crate) async fn check_draft(core: Core<'_>, draft: MonitorDraft) -> Answer<Vec<FieldError>> {
    core.screens().await?.check_draft(draft).await
}

/// Saves a draft.
#[tauri::command]
#[specta::specta]
pub(crate) async fn save_draft(core: Core<'_>, draft: MonitorDraft) -> Answer<SaveOutcome> {
    core.screens().await?.save_draft(draft).await
}

/// Removes monitors from the file.
#[tauri::command]
#[specta::specta]
pub(crate) async fn remove_monitors(core: Core<'_>, ids: Vec<String>) -> Answer<SaveOutcome> {
    core.screens().await?.remove_monitors(ids).await
}

/// Takes back the save that led to this content.
#[tauri::command]
#[specta::specta]
pub(crate) async fn undo(core: Core<'_>, base: String) -> Answer<SaveOutcome> {
    core.screens().await?.undo(base).await
}

/// What the file held before.
#[tauri::command]
#[specta::specta]
pub(crate) async fn versions(core: Core<'_>) -> Answer<Vec<FileVersion>> {
    core.screens().await?.versions().await
}

/// Puts an earlier content back.
#[tauri::command]
#[specta::specta]
pub(crate) async fn restore_version(core: Core<'_>, id: String) -> Answer<SaveOutcome> {
    core.screens().await?.restore_version(id).await
}

/// What a first start finds.
#[tauri::command]
#[specta::specta]
pub(crate) async fn first_run(core: Core<'_>) -> Answer<FirstRun> {
    core.screens().await?.first_run().await
}

/// Watches what was found.
#[tauri::command]
#[specta::specta]
pub(crate) async fn watch(core: Core<'_>, suggestions: Vec<String>) -> Answer<SaveOutcome> {
    core.screens().await?.watch(suggestions).await
}

/// Takes a whole configuration, where nothing is watched yet.
#[tauri::command]
#[specta::specta]
pub(crate) async fn import_config(core: Core<'_>, text: String) -> Answer<SaveOutcome> {
    core.screens().await?.import_config(text).await
}

/// What history can be kept in, and what it is kept in.
#[tauri::command]
#[specta::specta]
pub(crate) async fn storage_overview(core: Core<'_>) -> Answer<StorageOverview> {
    core.screens().await?.storage_overview().await
}

/// The settings of a backend, without its secrets.
#[tauri::command]
#[specta::specta]
pub(crate) async fn storage_draft(core: Core<'_>, backend: String) -> Answer<StorageDraft> {
    core.screens().await?.storage_draft(backend).await
}

/// What is wrong with settings, at their fields.
#[tauri::command]
#[specta::specta]
pub(crate) async fn check_storage(core: Core<'_>, form: StorageForm) -> Answer<Vec<FieldError>> {
    core.screens().await?.check_storage(form).await
}

/// What a pasted address says; its secret stays here.
#[tauri::command]
#[specta::specta]
pub(crate) async fn take_apart(core: Core<'_>, backend: String, address: SecretInput) -> Answer<Option<TakenApart>> {
    core.screens().await?.take_apart(&backend, &address.0)
}

/// Looks at a store, step by step.
#[tauri::command]
#[specta::specta]
pub(crate) async fn look_at_storage(core: Core<'_>, form: StorageForm, news: Channel<LookNews>) -> Answer<LookOutcome> {
    let tell = move |step| _ = news.send(step);
    core.screens().await?.look_at_storage(form, tell).await
}

/// Stops the look that is going on.
#[tauri::command]
#[specta::specta]
pub(crate) async fn stop_looking(core: Core<'_>) -> Answer<()> {
    core.screens().await?.stop_looking();
    Ok(())
}

/// Has history go to a backend from now on.
#[tauri::command]
#[specta::specta]
pub(crate) async fn use_storage(core: Core<'_>, form: StorageForm) -> Answer<UseOutcome> {
    core.screens().await?.use_storage(form).await
}

/// How the store in use is doing.
#[tauri::command]
#[specta::specta]
pub(crate) async fn storage_state(core: Core<'_>) -> Answer<StorageState> {
    Ok(core.screens().await?.storage_state().await)
}

/// Has history of a store of before shown too.
#[tauri::command]
#[specta::specta]
pub(crate) async fn show_former(core: Core<'_>, contact: String) -> Answer<()> {
    core.screens().await?.show_former(&contact).await
}

/// Rows that were refused for good.
#[tauri::command]
#[specta::specta]
pub(crate) async fn dead_letters(core: Core<'_>) -> Answer<DeadLetters> {
    core.screens().await?.dead_letters().await
}

/// Has refused rows brought again; none named means all.
#[tauri::command]
#[specta::specta]
pub(crate) async fn retry_letters(core: Core<'_>, ids: Vec<String>) -> Answer<()> {
    core.screens().await?.retry_letters(ids).await.map(drop)
}

/// Drops refused rows for good; none named means all.
#[tauri::command]
#[specta::specta]
pub(crate) async fn drop_letters(core: Core<'_>, ids: Vec<String>) -> Answer<()> {
    core.screens().await?.drop_letters(ids).await.map(drop)
}

/// How long history is kept.
#[tauri::command]
#[specta::specta]
pub(crate) async fn retention(core: Core<'_>) -> Answer<RetentionDraft> {
    core.screens().await?.retention().await
}

/// What other times would come to.
#[tauri::command]
#[specta::specta]
pub(crate) async fn check_retention(core: Core<'_>, form: RetentionForm) -> Answer<RetentionCheck> {
    core.screens().await?.check_retention(form).await
}

/// Keeps history for other times.
#[tauri::command]
#[specta::specta]
pub(crate) async fn save_retention(core: Core<'_>, form: RetentionForm) -> Answer<SaveOutcome> {
    core.screens().await?.save_retention(form).await
}

/// Drops what is older than it is kept, now.
#[tauri::command]
#[specta::specta]
pub(crate) async fn prune_storage(core: Core<'_>) -> Answer<Number> {
    #[allow(clippy::cast_precision_loss, reason = "counts of rows are below 2^53")]
    core.screens().await?.prune_storage().await.map(|rows| Number(rows as f64))
}

/// How far a prune is that is at work.
#[tauri::command]
#[specta::specta]
pub(crate) async fn pruning(core: Core<'_>) -> Answer<Option<PruneShown>> {
    Ok(core.screens().await?.pruning())
}

/// What the vault holds, without any secret.
#[tauri::command]
#[specta::specta]
pub(crate) async fn secrets(core: Core<'_>) -> Answer<Vec<VaultSecret>> {
    core.screens().await?.secrets().await
}

/// Whether the places of the vault work.
#[tauri::command]
#[specta::specta]
pub(crate) async fn vault_places(core: Core<'_>) -> Answer<Vec<VaultPlace>> {
    core.screens().await?.vault_places().await
}

/// Gives a secret another value.
#[tauri::command]
#[specta::specta]
pub(crate) async fn set_secret(
    core: Core<'_>,
    name: String,
    text: SecretInput,
    place: Option<String>,
) -> Answer<SecretOutcome> {
    core.screens().await?.set_secret(name, text.0, place).await
}

/// Forgets a secret.
#[tauri::command]
#[specta::specta]
pub(crate) async fn forget_secret(core: Core<'_>, name: String) -> Answer<SecretOutcome> {
    core.screens().await?.forget_secret(name).await
}

/// Secrets that stand in the configuration file.
#[tauri::command]
#[specta::specta]
pub(crate) async fn plain_secrets(core: Core<'_>) -> Answer<PlainSecrets> {
    core.screens().await?.plain_secrets().await
}

/// Moves them into the vault; without numbers all that can be.
#[tauri::command]
#[specta::specta]
pub(crate) async fn move_plain_secrets(
    core: Core<'_>,
    numbers: Option<Vec<u32>>,
    base: String,
    place: Option<String>,
) -> Answer<MoveOutcome> {
    core.screens().await?.move_plain_secrets(numbers, base, place).await
}

/// Has the keychain ask to be unlocked, and waits for the answer.
#[tauri::command]
#[specta::specta]
pub(crate) async fn unlock_keychain(core: Core<'_>) -> Answer<UnlockOutcome> {
    core.screens().await?.unlock_keychain().await
}

/// Waits for that answer no longer.
#[tauri::command]
#[specta::specta]
pub(crate) async fn stop_unlocking(core: Core<'_>) -> Answer<()> {
    core.screens().await?.stop_unlocking();
    Ok(())
}

/// What helps to find a fault, without secrets.
#[tauri::command]
#[specta::specta]
pub(crate) async fn diagnostics(core: Core<'_>) -> Answer<String> {
    core.screens().await?.diagnostics().await
}

/// Where a file of certificates is, as a person chooses it in the desktop's own dialog; none when they changed their mind.
#[tauri::command]
#[specta::specta]
pub(crate) async fn choose_certificates(app: AppHandle, title: String) -> Answer<Option<String>> {
    choose::certificates(&app, &title).await
}

/// Preferences of the window.
#[tauri::command]
#[specta::specta]
pub(crate) async fn preferences(app: AppHandle) -> Answer<Preferences> {
    Ok(prefs::read(&app))
}

/// Sets the preferences.
#[tauri::command]
#[specta::specta]
pub(crate) async fn set_preferences(app: AppHandle, preferences: Preferences) -> Answer<()> {
    prefs::write(&app, &preferences)
}

/// Where things are.
#[tauri::command]
#[specta::specta]
pub(crate) async fn about(app: AppHandle) -> Answer<About> {
    Ok(shell::about(&app))
}

/// Where the window was when it was last open.
#[tauri::command]
#[specta::specta]
pub(crate) async fn place(app: AppHandle) -> Answer<String> {
    Ok(prefs::place(&app))
}

/// Remembers where the window is.
#[tauri::command]
#[specta::specta]
pub(crate) async fn set_place(app: AppHandle, hash: String) -> Answer<()> {
    prefs::set_place(&app, &hash)
}

/// The answer to what closing the window should mean.
#[tauri::command]
#[specta::specta]
pub(crate) async fn close(app: AppHandle, choice: window::Closing, remember: bool) -> Answer<()> {
    window::close(&app, choice, remember)
}

/// Whether closing the window now would lose something.
#[tauri::command]
#[specta::specta]
// Not async: of several in a row the last has to count.
pub(crate) fn set_unsaved(app: AppHandle, unsaved: bool) -> Answer<()> {
    window::set_unsaved(&app, unsaved);
    Ok(())
}

/// Closes the window as its button does.
#[tauri::command]
#[specta::specta]
pub(crate) async fn close_window(app: AppHandle) -> Answer<()> {
    window::ask_to_close(&app)
}
