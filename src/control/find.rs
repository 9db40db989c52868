//! Which monitor a person means.

use super::AnswerError;
use crate::model::{MonitorId, clean_text};

/// Longest text that is compared with every name, in characters.
const COMPARED: usize = 100;

/// The monitor that is called so, or has this id.
///
/// # Errors
/// None is; with the nearest name there is.
pub fn find_monitor<'a, I>(wanted: &str, known: I) -> Result<MonitorId, AnswerError>
where
    I: Iterator<Item = (MonitorId, &'a str)> + Clone,
{
    if let Some((id, _)) = known.clone().find(|(_, name)| *name == wanted) {
        return Ok(id);
    }
    let by_id = wanted.parse::<MonitorId>().ok().filter(|id| known.clone().any(|(known, _)| known == *id));
    by_id.ok_or_else(|| AnswerError::UnknownMonitor {
        name: clean_text(wanted, COMPARED),
        nearest: nearest(wanted, known.map(|(_, name)| name)),
    })
}

/// The name that was most likely meant: at most a third of its letters differ.
pub(crate) fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    if wanted.chars().count() > COMPARED {
        return None;
    }
    known
        .map(|name| (strsim::damerau_levenshtein(wanted, name), name))
        .min()
        .filter(|(distance, name)| *distance <= 1.max(name.chars().count() / 3))
        .map(|(_, name)| clean_text(name, COMPARED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::InstanceId;

    #[test]
    fn names_ids_and_slips_of_the_finger() {
        let id = |name: &str| MonitorId::of_name(InstanceId::new(uuid::Uuid::nil()), name);
        let known = ["gateway", "nas"].map(|name| (id(name), name));
        let find = |wanted: &str| find_monitor(wanted, known.iter().copied());
        assert_eq!(find("nas"), Ok(id("nas")));
        assert_eq!(find(&id("gateway").to_string()), Ok(id("gateway")));
        let said = |wanted: &str| find(wanted).expect_err("unknown").to_string();
        assert_eq!(said("gatway"), "no monitor is called `gatway`; did you mean `gateway`?");
        assert_eq!(said("printer\u{1b}"), "no monitor is called `printer`");
        assert!(find(&id("printer").to_string()).is_err());
        assert!(said(&"x".repeat(200_000)).len() < 200);
    }
}
