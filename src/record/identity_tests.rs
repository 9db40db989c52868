//! Who gets which id, by example and by chance.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const NOW: UnixMicros = UnixMicros::MIN;

fn instance(number: u128) -> InstanceId {
    InstanceId::new(Uuid::from_u128(number))
}

fn named<'a>(name: &'a str, target: &'a str) -> ConfiguredMonitor<'a> {
    ConfiguredMonitor { id: None, name, group: "g", kind: "http", target }
}

fn with_id<'a>(id: u128, name: &'a str, target: &'a str) -> ConfiguredMonitor<'a> {
    ConfiguredMonitor { id: Some(MonitorId::new(Uuid::from_u128(id))), ..named(name, target) }
}

/// Configures one list after the other.
fn follow(lists: &[&[ConfiguredMonitor<'_>]]) -> Vec<Identities> {
    let mut remembered = Vec::new();
    lists
        .iter()
        .map(|list| {
            let identities = identify(instance(1), &remembered, list, NOW);
            remembered.clone_from(&identities.remembered);
            identities
        })
        .collect()
}

#[test]
fn an_id_of_its_own_wins_and_a_name_is_remembered() {
    let steps = follow(&[
        &[named("a", "x"), with_id(9, "b", "y")],
        &[with_id(9, "c", "z"), named("a", "other")],
        &[],
        &[named("a", "x"), named("c", "z")],
    ]);
    assert_eq!(steps[0].ids, [MonitorId::of_name(instance(1), "a"), MonitorId::new(Uuid::from_u128(9))]);
    assert_eq!(steps[1].ids, [steps[0].ids[1], steps[0].ids[0]], "an edit of the target alone changes no id");
    assert_eq!(steps[3].ids, [steps[0].ids[0], steps[0].ids[1]], "what comes back has its old id");
}

#[test]
fn one_vanished_and_one_new_name_is_a_rename() {
    let steps = follow(&[
        &[named("a", "x"), named("k", "kk")],
        &[named("k", "kk"), named("b", "x")],
        &[named("a", "x"), named("b", "x")],
    ]);
    assert_eq!(steps[1].ids[1], steps[0].ids[0]);
    assert_eq!(steps[1].renames, [Rename { id: steps[0].ids[0], from: "a".into(), to: "b".into() }]);
    assert_eq!(steps[1].changed.len(), 1);
    assert_eq!(steps[1].changed[0].name, "b");
    // The name `a` is new again, but the id made of it belongs to `b`.
    assert_eq!(steps[2].ids[1], steps[0].ids[0]);
    assert_ne!(steps[2].ids[0], steps[0].ids[0]);
}

#[test]
fn there_and_back_keeps_the_id() {
    let steps = follow(&[&[named("a", "x")], &[named("b", "x")], &[named("a", "x")]]);
    assert!(steps.iter().all(|step| step.ids == steps[0].ids));
    assert_eq!(steps[2].renames.len(), 1);
}

#[test]
fn what_is_ambiguous_is_no_rename() {
    for next in [
        &[named("c", "x"), named("d", "x")][..],
        &[named("c", "x")][..],
        &[named("a", "x"), named("b", "x"), named("c", "x")][..],
    ] {
        let steps = follow(&[&[named("a", "x"), named("b", "x")], next]);
        assert!(steps[1].renames.is_empty(), "{next:?}");
    }
    let other_kind = ConfiguredMonitor { kind: "tcp", ..named("b", "x") };
    assert!(follow(&[&[named("a", "x")], &[other_kind]])[1].renames.is_empty());
    let steps = follow(&[&[named("a", "x")], &[], &[named("b", "x")]]);
    assert!(steps[2].renames.is_empty(), "not within one change");
}

#[test]
fn first_seen_stays_and_only_changes_are_told() {
    let later = NOW.plus_us(5);
    let first = identify(instance(1), &[], &[named("a", "x")], NOW);
    assert_eq!(first.changed.len(), 1);
    let second = identify(instance(1), &first.remembered, &[named("a", "x")], later);
    assert!(second.changed.is_empty());
    let known = &second.remembered[0].known;
    assert_eq!((known.first_seen, known.last_seen), (NOW, later));
    let gone = identify(instance(1), &second.remembered, &[], later);
    assert_eq!(gone.remembered.len(), 1);
    assert!(!gone.remembered[0].configured);
}

#[test]
fn an_id_claimed_twice_goes_to_the_first() {
    let steps = follow(&[&[with_id(9, "a", "x"), with_id(9, "b", "y")]]);
    assert_eq!(steps[0].ids[0], MonitorId::new(Uuid::from_u128(9)));
    assert_eq!(steps[0].ids[1], MonitorId::of_name(instance(1), "b"));
    let nil = ConfiguredMonitor { id: Some(MonitorId::ALL), ..named("a", "x") };
    assert!(!follow(&[&[nil]])[0].ids[0].is_all(), "the zero id stands for all");
}

type Spec = (u8, u8, Option<u8>);

fn lists() -> impl Strategy<Value = Vec<Vec<Spec>>> {
    let one = (0_u8..8, 0_u8..3, prop::option::weighted(0.2, 1_u8..5));
    let list = prop::collection::btree_map(0_u8..8, one, 0..7)
        .prop_map(|list| list.into_iter().map(|(name, (_, target, id))| (name, target, id)).collect::<Vec<_>>())
        .prop_shuffle();
    prop::collection::vec(list, 1..6)
}

fn configured(list: &[Spec]) -> Vec<(String, String, Option<MonitorId>)> {
    list.iter()
        .map(|(name, target, id)| {
            let id = id.map(|id| MonitorId::new(Uuid::from_u128(u128::from(id))));
            (format!("name {name}"), format!("target {target}"), id)
        })
        .collect()
}

/// Whether a file gave this id: those are small numbers here.
fn is_a_persons(id: MonitorId) -> bool {
    id.uuid().as_u128() < 10
}

fn borrowed(list: &[(String, String, Option<MonitorId>)]) -> Vec<ConfiguredMonitor<'_>> {
    list.iter().map(|(name, target, id)| ConfiguredMonitor { id: *id, ..named(name, target) }).collect()
}

proptest! {
    #[test]
    fn ids_are_unique_stable_and_never_shared_between_instances(lists in lists()) {
        let (mut one, mut two) = (Vec::new(), Vec::new());
        for list in &lists {
            let owned = configured(list);
            let list = borrowed(&owned);
            let found = identify(instance(1), &one, &list, NOW);
            let unique: HashSet<_> = found.ids.iter().collect();
            prop_assert_eq!(unique.len(), list.len());
            let remembered: HashSet<_> = found.remembered.iter().map(|old| old.known.id).collect();
            prop_assert_eq!(remembered.len(), found.remembered.len());

            // The same configuration again: the same ids, nothing changed.
            let again = identify(instance(1), &found.remembered, &list, NOW);
            prop_assert_eq!(&again.ids, &found.ids);
            prop_assert!(again.changed.is_empty() && again.renames.is_empty());

            let other = identify(instance(2), &two, &list, NOW);
            for id in found.ids.iter().filter(|id| !is_a_persons(**id)) {
                prop_assert!(!other.ids.contains(id));
            }
            one = found.remembered;
            two = other.remembered;
        }
    }

    #[test]
    fn the_order_of_the_file_does_not_matter(lists in lists(), turn in 0_usize..7) {
        let mut remembered = Vec::new();
        for list in &lists {
            let mut owned = configured(list);
            // Two that claim one id are refused before they come here.
            let mut claimed = HashSet::new();
            for (_, _, id) in &mut owned {
                *id = id.filter(|id| claimed.insert(*id));
            }
            let list = borrowed(&owned);
            let found = identify(instance(1), &remembered, &list, NOW);
            let mut turned: Vec<_> = list.iter().copied().zip(found.ids.iter().copied()).collect();
            let len = turned.len().max(1);
            turned.rotate_left((turn % len).min(list.len()));
            let (list, ids): (Vec<_>, Vec<_>) = turned.into_iter().unzip();
            prop_assert_eq!(identify(instance(1), &remembered, &list, NOW).ids, ids);
            remembered = found.remembered;
        }
    }
}
