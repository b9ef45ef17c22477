//! Tasks that waited to be sent for longer than they may: they fail, and are refunded.

use super::outcome::fail;
use crate::context::Context;

/// The most tasks that are ended at once.
const AT_ONCE: u32 = 200;

/// Ends the tasks that were to be sent by now.
pub(crate) async fn expire(context: &Context) -> shared::store::Result<()> {
    while !context.stop.is_requested() {
        let expired = context.store.expired(context.now(), AT_ONCE).await?;
        let jobs = context.store.submit_jobs(&expired).await?;
        for job in &jobs {
            let reason = match &job.last_heard {
                Some(heard) => {
                    format!("no channel could take the task before its deadline; {heard}")
                }
                None => "no channel could take the task before its deadline".to_owned(),
            };
            let heard = job.last_heard.as_deref();
            fail(context, job, job.at, &reason, heard, None).await;
        }
        if jobs.len() < AT_ONCE as usize {
            break;
        }
    }
    Ok(())
}
