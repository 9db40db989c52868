//! Forms of monitors: drafts, and saving them into the configuration file.
//!
//! An edit is made on the file as it is now. Where that is not the file that the draft was read from, nothing is
//! written: both contents are given back, mine with the edit made on theirs, so that saving again loses neither.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Screens;
use crate::app::core::{Core, lock};
use crate::config::{
    self, ConfigFile, Document, Draft, FieldProblem, MONITOR_KEYS, SaveError, Saved, Shape, Source, Which, Written,
};
use crate::discover;
use crate::model::{MonitorId, error_chain};
use crate::probe::KINDS;
use crate::schedule::FirstCheck;
use crate::screen::{
    DraftOf, DraftValue, Failed, FieldError, FieldKind, FieldSpec, FileProblem, FileVersion, FirstRun, FormSpec,
    Inherited, InheritedFrom, KindSpec, MonitorDraft, SaveOutcome, Suggestion,
};

/// Keys of every monitor that its form does not show: the kind is chosen apart, the id is looked after.
/// One that is not watched has no row from which it could be switched on again: that is for the file.
const NOT_SHOWN: &[&str] = &["type", "id", "enabled", "retention"];
/// What a draft of no file starts from.
const NO_FILE: &str = "none";
/// The group of what a first run found.
const FIRST_GROUP: &str = "network";

/// The file and how to read it.
pub(super) struct Desk<'a> {
    pub(super) core: &'a Core,
    pub(super) file: ConfigFile,
}

/// Which monitor of the file, and what it is called there.
pub(super) struct Found {
    line: u32,
    column: u32,
    id: MonitorId,
}

impl Found {
    pub(super) fn which(&self) -> Which<'static> {
        Which::At { line: self.line, column: self.column }
    }
}

impl Desk<'_> {
    fn of(core: &Core) -> Desk<'_> {
        let file = ConfigFile::new(&core.config_path, core.folder.path(), Arc::clone(&core.clock));
        Desk { core, file }
    }

    pub(super) fn read(&self) -> Result<Document, Failed> {
        self.file.read().map_err(|error| self.failed(error))
    }

    pub(super) fn failed(&self, error: SaveError) -> Failed {
        let path = self.core.config_path.display().to_string();
        match error {
            SaveError::Refused { refusal, .. } => Failed::Problems { problems: file_problems(&refusal.problems) },
            SaveError::NoVersion { .. } | SaveError::NothingToUndo => Failed::BadRequest { why: error.to_string() },
            error => Failed::File { path, what: error_chain(&error) },
        }
    }

    /// Where a monitor stands in the file.
    pub(super) fn find(&self, document: &Document, id: &str) -> Result<Found, Failed> {
        let unknown = || Failed::UnknownMonitor { name: crate::model::clean_text(id, 100) };
        let id: MonitorId = id.parse().map_err(|_| unknown())?;
        let row = self.core.recorder.board().row(id).ok_or_else(unknown)?;
        let read = self.file.check(document, &self.core.vars, &*self.core.vault).map_err(|error| self.failed(error))?;
        let entry = read.monitors.iter().find(|entry| entry.id == Some(id) || entry.name == row.monitor.name);
        entry.map(|entry| Found { line: entry.line, column: entry.column, id }).ok_or_else(unknown)
    }

    /// The document with a draft in it.
    fn edited(&self, document: &Document, draft: &MonitorDraft) -> Result<Document, Failed> {
        let edit = |error: config::EditError| self.failed(error.into());
        let Some(id) = &draft.id else {
            return document.add_monitor(&filled(Draft::default(), draft)).map_err(edit);
        };
        let found = self.find(document, id)?;
        let which = found.which();
        let mut new = filled(document.draft(which).map_err(edit)?, draft);
        if self.belongs_to_another(new.name(), found.id) {
            new.set("id", Some(Written::Text(found.id.to_string())));
        }
        document.set_monitor(which, &new, Some(found.id)).map_err(edit)
    }

    /// Whether a monitor that is gone was called so: its name alone would give its history to this one.
    fn belongs_to_another(&self, name: &str, id: MonitorId) -> bool {
        let fleet = lock(&self.core.fleet);
        fleet.remembered().iter().any(|old| old.known.name == name && old.known.id != id)
    }

    fn without(&self, document: &Document, ids: &[String]) -> Result<Document, Failed> {
        let edit = |error: config::EditError| self.failed(error.into());
        let mut names = Vec::with_capacity(ids.len());
        for id in ids {
            let found = self.find(document, id)?;
            names.push(document.draft(found.which()).map_err(edit)?.name().to_owned());
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        document.remove_monitors(&names).map_err(edit)
    }

    /// Writes a document that was made from the file as it is, unless `base` says that it was another one.
    pub(super) fn save(&self, document: &Document, current: &Document, base: &str) -> Result<SaveOutcome, Failed> {
        if base != base_of(current.base()) {
            return Ok(SaveOutcome::Conflict {
                their_base: base_of(current.base()),
                theirs: current.text().to_owned(),
                mine: document.text().to_owned(),
            });
        }
        self.outcome(self.file.save(document, &self.core.vars, &*self.core.vault))
    }

    fn outcome(&self, saved: Result<Saved, SaveError>) -> Result<SaveOutcome, Failed> {
        match saved {
            Ok(saved) => {
                // Not only when the file is looked at the next time: whoever saved goes on at once.
                self.core.apply(&saved.config, FirstCheck::AtOnce);
                Ok(SaveOutcome::Saved { base: base_of(Some(saved.config.hash)), undo: saved.before.is_some() })
            }
            Err(SaveError::Refused { fields, .. }) => Ok(SaveOutcome::Refused { errors: errors_of(&fields, None) }),
            Err(SaveError::Conflict(conflict)) => Ok(SaveOutcome::Conflict {
                their_base: self.read().map_or_else(|_| NO_FILE.to_owned(), |now| base_of(now.base())),
                theirs: conflict.theirs.to_string(),
                mine: conflict.mine.to_string(),
            }),
            Err(error) => Err(self.failed(error)),
        }
    }
}

/// Tells a content of the file from another.
pub(super) fn base_of(hash: Option<u64>) -> String {
    hash.map_or_else(|| NO_FILE.to_owned(), |hash| format!("{hash:016x}"))
}

/// What the form says, over what the file has; what the form does not show stays.
fn filled(mut draft: Draft, form: &MonitorDraft) -> Draft {
    draft.group.clone_from(&form.group);
    let was = draft.kind();
    for (key, value) in &form.values {
        if NOT_SHOWN.contains(&key.as_str()) {
            continue;
        }
        let written = match value {
            DraftValue::Unset => None,
            DraftValue::Text(text) => Some(Written::Text(text.clone())),
            DraftValue::Map(map) => Some(Written::Map(map.clone())),
        };
        draft.set(key, written);
    }
    if was != Some(form.kind.as_str()) {
        // What only the former kind knows would be refused.
        let fields = |kind| KINDS.iter().find(|(id, _)| Some(*id) == kind).map_or(&[][..], |(_, fields)| fields);
        let known = fields(Some(form.kind.as_str()));
        for old in fields(was).iter().filter(|old| known.iter().all(|new| new.key != old.key)) {
            draft.set(old.key, None);
        }
        draft.set("type", Some(Written::Text(form.kind.clone())));
    }
    draft
}

/// A monitor without a name or a group cannot be put into the file, so that nothing else can be told of it.
fn nameless(draft: &MonitorDraft) -> Vec<FieldError> {
    let unnamed = match draft.values.get("name") {
        Some(DraftValue::Text(name)) => name.is_empty(),
        Some(_) => true,
        None => draft.id.is_none(),
    };
    let required =
        [("name", "monitor name is required", unnamed), ("group", "group name is required", draft.group.is_empty())];
    let missing = required.into_iter().filter(|(.., is)| *is);
    missing.map(|(key, what, _)| FieldError { key: key.to_owned(), what: what.to_owned() }).collect()
}

/// Why a file is refused; warnings are not among it.
fn file_problems(problems: &[config::Problem]) -> Vec<FileProblem> {
    let errors = problems.iter().filter(|problem| problem.severity == config::Severity::Error);
    let told = errors.map(|problem| FileProblem {
        line: problem.line,
        column: problem.column,
        what: problem.what.clone(),
        allowed: problem.allowed.clone(),
    });
    told.collect()
}

/// Problems at their fields: those of one monitor, or all with the others named.
fn errors_of(fields: &[FieldProblem], of: Option<&str>) -> Vec<FieldError> {
    fields
        .iter()
        .filter(|field| field.problem.severity == config::Severity::Error)
        .map(|field| {
            let ours = of.is_none_or(|of| field.monitor.as_deref() == Some(of));
            let key = if ours { field.field.clone().unwrap_or_default() } else { String::new() };
            FieldError { key, what: field.problem.sentence() }
        })
        .collect()
}

fn field_of(key: &config::Key) -> Option<FieldSpec> {
    let Shape::Field(kind) = key.shape else { return None };
    Some(FieldSpec {
        key: key.name.to_owned(),
        kind: FieldKind::from(kind),
        required: key.name == "name",
        default: key.default.map(str::to_owned),
        doc: key.doc.to_owned(),
    })
}

fn suggestions() -> Vec<(Suggestion, discover::Suggestion)> {
    let role = |role| match role {
        discover::Role::Gateway => "gateway",
        discover::Role::NameServer => "name_server",
        discover::Role::Internet => "anchor",
    };
    discover::suggestions(&discover::Places::of_system())
        .into_iter()
        .map(|found| {
            let shown = Suggestion {
                id: format!("{} {}", found.kind, found.target),
                role: role(found.role).to_owned(),
                name: found.name.clone(),
                kind: found.kind.to_owned(),
                target: found.target.clone(),
                ticked: found.ticked,
            };
            (shown, found)
        })
        .collect()
}

impl Screens {
    /// Does something with the file, where that is allowed to take its time.
    pub(super) async fn at_desk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Desk<'_>) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, Failed> {
        let core = Arc::clone(&self.core);
        let done = tokio::task::spawn_blocking(move || work(&Desk::of(&core))).await;
        done.map_err(|error| Failed::Internal { why: error.to_string() })?
    }

    /// Everything that a form for a monitor is drawn from.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn form_spec(&self) -> Result<FormSpec, Failed> {
        self.at_desk(|desk| {
            let document = desk.read()?;
            let shown = MONITOR_KEYS.iter().filter(|key| !NOT_SHOWN.contains(&key.name));
            let kinds = KINDS.iter().map(|(id, fields)| KindSpec {
                id: (*id).to_owned(),
                fields: fields.iter().map(FieldSpec::from).collect(),
            });
            Ok(FormSpec {
                common: shown.filter_map(field_of).collect(),
                kinds: kinds.collect(),
                groups: document.groups().into_iter().map(str::to_owned).collect(),
            })
        })
        .await
    }

    /// The draft of a monitor that there is, or of a new one.
    ///
    /// # Errors
    /// No such monitor, or the file cannot be read.
    pub async fn draft(&self, of: DraftOf) -> Result<MonitorDraft, Failed> {
        self.at_desk(move |desk| {
            let document = desk.read()?;
            let (id, kind, draft) = match of {
                DraftOf::New { kind, group } => {
                    let group = group.or_else(|| document.groups().first().map(|group| (*group).to_owned()));
                    (None, kind, Draft { group: group.unwrap_or_default(), ..Draft::default() })
                }
                DraftOf::Known { id } => {
                    let found = desk.find(&document, &id)?;
                    let draft = document.draft(found.which()).map_err(|error| desk.failed(error.into()))?;
                    (Some(id), draft.kind().unwrap_or_default().to_owned(), draft)
                }
            };
            let inherited = document.inherited(&draft.group, Some(&kind));
            Ok(MonitorDraft {
                id,
                kind,
                group: draft.group.clone(),
                values: shown_values(&draft),
                inherited: inherited.into_iter().map(|(key, value)| (key, shown_inherited(value))).collect(),
                base: base_of(document.base()),
            })
        })
        .await
    }

    /// What is wrong with a draft, at its fields.
    ///
    /// # Errors
    /// The file cannot be read or edited.
    pub async fn check_draft(&self, draft: MonitorDraft) -> Result<Vec<FieldError>, Failed> {
        self.at_desk(move |desk| {
            let nameless = nameless(&draft);
            if !nameless.is_empty() {
                return Ok(nameless);
            }
            let edited = desk.edited(&desk.read()?, &draft)?;
            let name = match draft.values.get("name") {
                Some(DraftValue::Text(name)) => name.as_str(),
                _ => "",
            };
            match desk.file.check(&edited, &desk.core.vars, &*desk.core.vault) {
                Ok(_) => Ok(Vec::new()),
                Err(SaveError::Refused { fields, .. }) => Ok(errors_of(&fields, Some(name))),
                Err(error) => Err(desk.failed(error)),
            }
        })
        .await
    }

    /// Saves a draft.
    ///
    /// # Errors
    /// The file cannot be read, edited or written.
    pub async fn save_draft(&self, draft: MonitorDraft) -> Result<SaveOutcome, Failed> {
        self.at_desk(move |desk| {
            let errors = nameless(&draft);
            if !errors.is_empty() {
                return Ok(SaveOutcome::Refused { errors });
            }
            let current = desk.read()?;
            let edited = desk.edited(&current, &draft)?;
            desk.save(&edited, &current, &draft.base)
        })
        .await
    }

    /// Removes monitors from the file.
    ///
    /// # Errors
    /// One of them is not there, or the file cannot be read, edited or written.
    pub async fn remove_monitors(&self, ids: Vec<String>) -> Result<SaveOutcome, Failed> {
        self.at_desk(move |desk| {
            let current = desk.read()?;
            let edited = desk.without(&current, &ids)?;
            desk.save(&edited, &current, &base_of(current.base()))
        })
        .await
    }

    /// Takes back the save that led to `base`, where nothing was saved since.
    ///
    /// # Errors
    /// Something was, there is nothing to take back, or the file cannot be written.
    pub async fn undo(&self, base: String) -> Result<SaveOutcome, Failed> {
        self.at_desk(move |desk| {
            if base != base_of(desk.read()?.base()) {
                let why = "the file was changed since; choose a version in the settings".to_owned();
                return Err(Failed::BadRequest { why });
            }
            desk.outcome(desk.file.undo(&desk.core.vars, &*desk.core.vault))
        })
        .await
    }

    /// What the file held before, newest first.
    ///
    /// # Errors
    /// The versions cannot be read.
    pub async fn versions(&self) -> Result<Vec<FileVersion>, Failed> {
        self.at_desk(|desk| {
            let versions = desk.file.versions().map_err(|error| desk.failed(error))?.into_iter();
            let shown = versions.map(|old| FileVersion { id: old.name, saved_ms: old.until.into(), bytes: old.size });
            Ok(shown.collect())
        })
        .await
    }

    /// Puts an earlier content back.
    ///
    /// # Errors
    /// It is not there any more, or the file cannot be written.
    pub async fn restore_version(&self, id: String) -> Result<SaveOutcome, Failed> {
        self.at_desk(move |desk| {
            let base = desk.read().map(|document| document.base())?;
            desk.outcome(desk.file.restore(&id, base, &desk.core.vars, &*desk.core.vault))
        })
        .await
    }

    /// What a first start finds.
    ///
    /// # Errors
    /// A fault in Hall Monitor.
    pub async fn first_run(&self) -> Result<FirstRun, Failed> {
        self.at_desk(|desk| {
            // A file that cannot be read is no first run, and neither is one that is gone while monitors are watched.
            let empty = desk.file.read().is_ok_and(|document| document.names().is_empty());
            let needed = empty && desk.core.recorder.board().counts().monitors == 0;
            let path = desk.core.config_path.display().to_string();
            let found = if needed { suggestions() } else { Vec::new() };
            Ok(FirstRun { needed, path, suggestions: found.into_iter().map(|(shown, _)| shown).collect() })
        })
        .await
    }

    /// Watches what was found, by the ids of the suggestions.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub async fn watch(&self, chosen: Vec<String>) -> Result<SaveOutcome, Failed> {
        self.at_desk(move |desk| {
            let current = desk.read()?;
            let found: Vec<_> = suggestions().into_iter().filter(|(shown, _)| chosen.contains(&shown.id)).collect();
            if found.is_empty() {
                return Err(Failed::BadRequest { why: "nothing that was found is chosen".to_owned() });
            }
            let mut document = current.clone();
            for (_, found) in found {
                let draft = Draft::new(FIRST_GROUP, found.values());
                document = document.add_monitor(&draft).map_err(|error| desk.failed(error.into()))?;
            }
            desk.save(&document, &current, &base_of(current.base()))
        })
        .await
    }

    /// Takes a whole configuration, where nothing is watched yet.
    ///
    /// # Errors
    /// Something is wrong in it, there are monitors already, or the file cannot be written.
    pub async fn import_config(&self, text: String) -> Result<SaveOutcome, Failed> {
        self.at_desk(move |desk| {
            let current = desk.read()?;
            if !current.names().is_empty() {
                let why = "monitors are watched already: add to the configuration file instead".to_owned();
                return Err(Failed::BadRequest { why });
            }
            match desk.file.replace(text.as_bytes(), current.base(), &desk.core.vars, &*desk.core.vault) {
                Err(error @ SaveError::Refused { .. }) => Err(desk.failed(error)),
                saved => desk.outcome(saved),
            }
        })
        .await
    }
}

/// The values that a form shows; a list or something nested is changed in the file only.
fn shown_values(draft: &Draft) -> BTreeMap<String, DraftValue> {
    let shown = draft.values.iter().filter(|(key, _)| !NOT_SHOWN.contains(&key.as_str()));
    shown
        .filter_map(|(key, value)| match value {
            Written::Text(text) => Some((key.clone(), DraftValue::Text(text.clone()))),
            Written::Map(map) => Some((key.clone(), DraftValue::Map(map.clone()))),
            Written::Opaque(_) => None,
        })
        .collect()
}

fn shown_inherited(value: config::Inherited) -> Inherited {
    let from = match value.from {
        Source::Group => InheritedFrom::Group,
        Source::Own | Source::Default => InheritedFrom::Default,
    };
    Inherited { value: value.value, from }
}
