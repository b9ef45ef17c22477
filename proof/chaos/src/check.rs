//! What must hold after every scenario on a site, once it is calm.

use std::collections::HashMap;
use std::time::Duration;

use crate::books::{Books, Source, Sums};
use crate::counts;
use crate::record::Asked;
use crate::run::Run;
use crate::site::Site;

/// What is expected beside balanced books.
#[derive(Debug, Default)]
pub struct Expected {
    /// What clients asked for and were told.
    pub asked: Vec<Asked>,
    /// What was granted, by the user's name.
    pub granted: HashMap<String, i64>,
    /// Messages that are parked on purpose.
    pub parked: bool,
}

/// Waits until every task is settled, `within` a time, and proves the books. Breaks, and what was
/// counted, go to the run's report.
pub async fn check(run: &Run, site: &Site, within: Duration, expected: &Expected) -> Sums {
    let settled = site.settled(within).await;
    run.fact("settled_after_s", settled.as_secs_f64());
    let mut database = site.connect().await;
    let books = Books::read(Source::Postgres(&mut database)).await;
    let breaks = books.breaks().into_iter();
    for why in breaks.chain(books.breaks_of(&expected.asked, &expected.granted)) {
        run.broke(why);
    }
    for why in counts::breaks(Source::Postgres(&mut database)).await {
        run.broke(why);
    }
    upstreams(run, site, &books).await;
    let audit = site.operator().run(&["audit"]).await;
    if audit.code != 0 {
        run.broke(format!("audit: {}{}", audit.stdout, audit.stderr));
    }
    if !expected.parked
        && let Some(parked) = site.rabbitmq.parked().await
    {
        run.broke(format!("no worker could handle {parked}"));
    }
    let sums = books.sums();
    run.fact("books", &sums);
    sums
}

/// No task was accepted twice, by any upstreams taken together; each SUCCESS was accepted by one.
async fn upstreams(run: &Run, site: &Site, books: &Books) {
    let (titles, successes): (Vec<String>, Vec<bool>) = books
        .tasks
        .values()
        .filter(|task| !task.title.is_empty())
        .map(|task| (task.title.clone(), task.status == "SUCCESS"))
        .unzip();
    let mut accepted = vec![0; titles.len()];
    let (mut asked, mut most) = (0, 0);
    for channel in &site.channels {
        let counts = channel.upstream.all_asked_and_accepted(&titles).await;
        for (total, (of_asked, of_accepted)) in accepted.iter_mut().zip(counts) {
            *total += of_accepted;
            asked += of_asked;
        }
    }
    for ((title, times), success) in titles.iter().zip(&accepted).zip(successes) {
        most = most.max(*times);
        if *times > 1 || success && *times != 1 {
            run.broke(format!("{title:?} was accepted upstream {times} times"));
        }
    }
    run.fact("upstream_submits", asked);
    run.fact("upstream_accepted", accepted.iter().sum::<u64>());
    run.fact("upstream_accepted_most_of_one_task", most);
}
