//! Prune and forget. There are no transactions: each step can be done again, and floors rise before anything is deleted.

use super::fault::ID;
use super::flux::predicate;
use super::line::{Lines, key_tag};
use super::point::{self, GAP, META, MONITOR_KEY, RESULT, ROLLUP};
use super::read::{self, SMALL_FIELD};
use super::store::{Home, InfluxStore, floor_key};
use super::{append, fault, rest};
use crate::model::{Gap, MonitorId, Span, Tier, UnixMicros};
use crate::storage::{
    Batch, Piece, PruneLeft, PruneStep, Pruned, ResultStore, Retention, StoreError, StoreErrorKind, missing_rollups,
};

type Outcome<T> = Result<T, StoreError>;

const OPERATION: &str = "prune";
const DAY_US: u64 = Tier::Day.width_us();
/// The bucket of results keeps so many days more than the longest retention: what comes late is still taken.
const SPARE_DAYS: u64 = 30;
/// The key under which an instance says for how long it wants results.
const RAW_DAYS_KEY: &str = "retention:raw";
/// How far `now` may be from this machine's clock for the server to be told to drop rows by its own.
const CLOCKS_AGREE_US: u64 = DAY_US;

/// How far a prune is.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    /// The rollups of the monitors before this one are there, and those of its days before a time.
    SummedUp(MonitorId, UnixMicros),
    /// The floors are up, and what is below so many of them is gone.
    Dropping(usize),
}

/// Drops what the policy does not keep. The rollups of what goes are made first; then the floors rise, and nobody reads
/// what is below; then it is deleted.
pub(super) async fn prune(
    store: &InfluxStore,
    policy: &Retention,
    now: UnixMicros,
    piece: Piece<'_>,
) -> Outcome<Pruned> {
    let dropped = match store.resume.stage(policy, now) {
        Some(Stage::Dropping(dropped)) => dropped,
        _ => {
            let monitors =
                store.reads(OPERATION, |home| async move { read::monitors_with_rows(&home, OPERATION).await });
            let mut monitors = monitors.await?;
            monitors.sort_unstable();
            if let Some(left) = roll_up(store, &monitors, policy, now, piece).await? {
                return Ok(Pruned { left: Some(left), ..Pruned::default() });
            }
            let raised = policy.clone();
            store.writes(OPERATION, |home| async move { raise_floors(&home, &monitors, &raised, now).await }).await?;
            0
        }
    };
    let pruned = delete_below(store, dropped, policy, now, piece).await?;
    if pruned.left.is_none() {
        let kept = policy.clone();
        store.writes(OPERATION, |home| async move { keep_retention(&home, &kept, now).await }).await?;
        store.resume.clear();
    }
    Ok(pruned)
}

/// Makes the rollups that are missing for results that are not kept any more, a day of a monitor at a time; tells what is
/// left of that.
async fn roll_up(
    store: &InfluxStore,
    monitors: &[MonitorId],
    policy: &Retention,
    now: UnixMicros,
    piece: Piece<'_>,
) -> Outcome<Option<PruneLeft>> {
    let (begin, mut day_from) = match store.resume.stage(policy, now) {
        Some(Stage::SummedUp(monitor, from)) => (monitors.partition_point(|other| *other < monitor), from),
        _ => (0, UnixMicros::MIN),
    };
    for (nth, &monitor) in monitors.iter().enumerate().skip(begin) {
        let mut from = std::mem::replace(&mut day_from, UnixMicros::MIN);
        let Some(floor) = policy.floor_of(monitor, None, now) else { continue };
        loop {
            let span = Span::new(from, floor);
            let first = store
                .reads(OPERATION, |home| async move { read::first_of(&home, OPERATION, monitor, span).await })
                .await?;
            let Some(first) = first else { break };
            let day = Tier::Day.bucket(first.time);
            let mut rollups = missing_rollups(store, monitor, day).await?;
            let is_kept = |tier, start| policy.floor_of(monitor, Some(tier), now).is_none_or(|floor| start >= floor);
            rollups.retain(|rollup| is_kept(rollup.tier, rollup.start));
            if !rollups.is_empty() {
                store.append(&Batch { rollups, ..Batch::default() }).await?;
            }
            from = day.to;
            store.resume.note(policy, now, Stage::SummedUp(monitor, from));
            if piece.is_over() {
                let (done, of) = (nth as u64, monitors.len() as u64);
                return Ok(Some(PruneLeft { step: PruneStep::SummingUp, done, of }));
            }
        }
    }
    Ok(None)
}

fn tiers() -> impl Iterator<Item = Option<Tier>> {
    [None].into_iter().chain(Tier::ALL.iter().copied().map(Some))
}

/// Raises the floors: the one of all, and those of monitors of which less is kept than of another. They never sink.
async fn raise_floors(home: &Home, monitors: &[MonitorId], policy: &Retention, now: UnixMicros) -> Outcome<()> {
    let mut wanted = Vec::new();
    for tier in tiers() {
        let lowest = policy.floor(tier, now);
        wanted.extend(lowest.map(|floor| (tier, None, floor)));
        for monitor in monitors {
            let own = policy.floor_of(*monitor, tier, now).filter(|own| Some(*own) != lowest);
            wanted.extend(own.map(|floor| (tier, Some(*monitor), floor)));
        }
    }
    let mut lines = Lines::default();
    let mut floors = home.known().floors.clone();
    for (tier, monitor, floor) in wanted {
        if floors.raise(tier, monitor, floor) {
            let key = floor_key(tier, monitor);
            point::meta(&mut lines, &home.instance, &key, &floor.micros().to_be_bytes());
        }
    }
    append::send(home, &lines).await?;
    home.known().floors = floors;
    Ok(())
}

/// Deletes what of this instance is below the floors, but for the first so many of them; tells how much it was.
async fn delete_below(
    store: &InfluxStore,
    dropped: usize,
    policy: &Retention,
    now: UnixMicros,
    piece: Piece<'_>,
) -> Outcome<Pruned> {
    let floors = store.home.known().floors.clone();
    let of_all = tiers().map(|tier| (tier, None, floors.lowest(tier)));
    let of_one = floors.own().into_iter().map(|(tier, monitor, floor)| (tier, Some(monitor), floor));
    let all: Vec<(Option<Tier>, Option<MonitorId>, UnixMicros)> = of_all.chain(of_one).collect();
    let mut pruned = Pruned::default();
    for (nth, &(tier, monitor, floor)) in all.iter().enumerate().skip(dropped) {
        let deleted = store.writes(OPERATION, move |home| async move {
            let there = delete_rows(&home, tier, monitor, floor).await?;
            if tier.is_none() {
                delete_gaps(&home, monitor, floor).await?;
            }
            Ok(there)
        });
        *counted(&mut pruned, tier) += deleted.await?;
        let done = nth + 1;
        store.resume.note(policy, now, Stage::Dropping(done));
        if piece.is_over() && done < all.len() {
            pruned.left = Some(PruneLeft { step: PruneStep::Dropping, done: done as u64, of: all.len() as u64 });
            break;
        }
    }
    Ok(pruned)
}

fn counted(pruned: &mut Pruned, tier: Option<Tier>) -> &mut u64 {
    if tier.is_none() { &mut pruned.results } else { &mut pruned.rollups }
}

/// Deletes results, or rollups of a tier, of one monitor or of all, that begin before a time; gives how many there were.
async fn delete_rows(home: &Home, tier: Option<Tier>, monitor: Option<MonitorId>, floor: UnixMicros) -> Outcome<u64> {
    let settings = &home.client.settings;
    let below = Span::new(UnixMicros::MIN, floor);
    if below.is_empty() {
        return Ok(0);
    }
    let there = count(home, tier, monitor, below).await?;
    if there == 0 {
        return Ok(0);
    }
    let (bucket, measurement) = match tier {
        None => (settings.bucket.clone(), RESULT),
        Some(_) => (settings.rollup_bucket(), ROLLUP),
    };
    let id = monitor.map(|monitor| monitor.to_string());
    let mut parts = vec![("_measurement", measurement), ("instance", home.instance.as_str())];
    parts.extend(id.as_deref().map(|id| ("monitor", id)));
    parts.extend(tier.map(|tier| ("tier", tier.as_str())));
    delete(home, OPERATION, &bucket, below, &parts).await?;
    Ok(there)
}

/// Rows of this instance that begin in a span.
async fn count(home: &Home, tier: Option<Tier>, monitor: Option<MonitorId>, span: Span) -> Outcome<u64> {
    let flux = match tier {
        None => read::select_results(home, monitor, span, SMALL_FIELD),
        Some(tier) => {
            let all = read::select(home, &home.client.settings.rollup_bucket(), ROLLUP, span);
            let whose = match monitor {
                Some(monitor) => all.code(" and r.monitor == ").text(&monitor.to_string()),
                None => all,
            };
            whose.code(" and r.tier == ").text(tier.as_str()).code(" and r._field == \"checks\")")
        }
    };
    let flux = flux.code("\n  |> count()\n  |> keep(columns: [\"_value\"])");
    let records = home.client.query(OPERATION, flux).await?;
    records.iter().map(|record| record.number("_value").ok_or_else(|| fault::unreadable(OPERATION, "no count"))).sum()
}

/// Deletes the gaps, of one monitor or of everybody, that end before a time. Deletions know only when a gap began: those
/// that stay are left out.
async fn delete_gaps(home: &Home, monitor: Option<MonitorId>, floor: UnixMicros) -> Outcome<()> {
    let is_meant = |gap: &Gap| gap.span.from < floor && monitor.is_none_or(|monitor| gap.monitor == monitor);
    let mut gaps = rest::gaps_that(home, OPERATION, is_meant).await?;
    gaps.sort_by_key(|gap| gap.span.from);
    let id = monitor.map(|monitor| monitor.to_string());
    let mut parts = vec![("_measurement", GAP), ("instance", home.instance.as_str())];
    parts.extend(id.as_deref().map(|id| ("monitor", id)));
    let stay = gaps.iter().filter(|gap| gap.span.to >= floor).map(|gap| gap.span.from);
    let edges: Vec<UnixMicros> = stay.chain([floor]).collect();
    let mut from = UnixMicros::MIN;
    for edge in edges {
        let span = Span::new(from, edge);
        if gaps.iter().any(|gap| span.contains(gap.span.from)) {
            home.known().doubt();
            delete(home, OPERATION, &home.client.settings.rollup_bucket(), span, &parts).await?;
            home.known().doubt();
        }
        from = edge.plus_us(1);
    }
    Ok(())
}

async fn delete(
    home: &Home,
    operation: &'static str,
    bucket: &str,
    span: Span,
    parts: &[(&'static str, &str)],
) -> Outcome<()> {
    let predicate = predicate(parts).ok_or_else(|| {
        StoreError::new(StoreErrorKind::Internal, ID, operation, "a deletion cannot be told in the server's words")
    })?;
    home.client.delete(operation, bucket, span.from, span.to, &predicate).await
}

/// Drops everything of a monitor.
pub(super) async fn forget(home: &Home, monitor: MonitorId) -> Outcome<()> {
    home.known().doubt();
    let deleted = delete_all_of(home, monitor).await;
    match deleted {
        Ok(()) => home.known().forgotten(monitor),
        Err(_) => home.known().doubt(),
    }
    deleted
}

async fn delete_all_of(home: &Home, monitor: MonitorId) -> Outcome<()> {
    const OPERATION: &str = "forget";
    let settings = &home.client.settings;
    let ever = Span::new(UnixMicros::MIN, UnixMicros::MAX);
    let id = monitor.to_string();
    let whose = [("instance", home.instance.as_str()), ("monitor", id.as_str())];
    for bucket in [settings.bucket.clone(), settings.rollup_bucket()] {
        delete(home, OPERATION, &bucket, ever, &whose).await?;
    }
    let mut keys: Vec<String> =
        home.known().floors.tiers_of(monitor).into_iter().map(|tier| floor_key(tier, Some(monitor))).collect();
    keys.push(format!("{MONITOR_KEY}{monitor}"));
    for key in keys {
        let key = key_tag(&key);
        // A word of the server's own language unless it is quoted.
        let meta = [("_measurement", META), ("instance", home.instance.as_str()), ("\"key\"", key.as_str())];
        delete(home, OPERATION, &settings.rollup_bucket(), ever, &meta).await?;
    }
    Ok(())
}

/// Has the bucket of results keep as long as the instance that keeps longest, and some more. Only where it was made by
/// us: what else is in a bucket of somebody's is not ours to drop.
async fn keep_retention(home: &Home, policy: &Retention, now: UnixMicros) -> Outcome<()> {
    let settings = &home.client.settings;
    let mut all = policy.own.values().map(|own| own.raw).chain([policy.raw_days]);
    let days = all.try_fold(1, |longest: u32, days| Some(longest.max(days?))).unwrap_or(0);
    append::set_meta(home, OPERATION, RAW_DAYS_KEY, &days.to_be_bytes()).await?;
    let Some(bucket) = home.client.bucket(OPERATION, &settings.bucket).await? else { return Ok(()) };
    let longest = longest_retention(home).await?;
    let wanted = if longest == 0 { 0 } else { (u64::from(longest) + SPARE_DAYS) * (DAY_US / 1_000_000) };
    let there = bucket.keeps_s().unwrap_or(0);
    if there == wanted {
        return Ok(());
    }
    let wall = home.clock.wall();
    let agree = now.since_us(wall).max(wall.since_us(now)) < CLOCKS_AGREE_US;
    if bucket.is_ours() && agree {
        match home.client.set_retention(OPERATION, &bucket.id, wanted).await {
            Ok(()) => tracing::info!(bucket = settings.bucket, seconds = wanted, "the retention of the bucket was set"),
            Err(error) if error.kind == StoreErrorKind::Unauthorized => {
                tracing::debug!(bucket = settings.bucket, "the token may not set the retention of the bucket");
            }
            Err(error) => return Err(error),
        }
    } else if there != 0 && (wanted == 0 || there < wanted) {
        tracing::warn!(
            bucket = settings.bucket,
            keeps_days = there / 86_400,
            "the bucket drops results sooner than `storage.retention.raw` and 30 days; late ones will be refused"
        );
    }
    Ok(())
}

/// The longest time for which any instance wants results, in days; 0 is for ever.
async fn longest_retention(home: &Home) -> Outcome<u32> {
    let mut longest = 1;
    for (_, bytes) in rest::meta_of_all(home, OPERATION, RAW_DAYS_KEY).await? {
        match bytes.try_into().map(u32::from_be_bytes) {
            Ok(0) => return Ok(0),
            Ok(days) => longest = longest.max(days),
            Err(_) => return Err(fault::unreadable(OPERATION, "a retention is no number")),
        }
    }
    Ok(longest)
}
