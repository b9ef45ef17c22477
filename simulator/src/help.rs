//! What `--help` prints below the options.

use std::fmt::Write;

use suno_simulator::{Fault, Kind, dialects};

/// How values and directives are written, all faults, and the endpoints for tests.
pub fn reference() -> String {
    let mut text = String::from(WRITING);
    let kinds = [
        (
            Kind::Submit,
            "Faults of a submit (drawn for each request; `submit-` may be left out)",
        ),
        (
            Kind::Fetch,
            "Faults of a fetch (drawn for each request; as a directive: of every batch with the task)",
        ),
        (
            Kind::FetchedTask,
            "Faults of a task in a fetch's answer (drawn each time it is asked for)",
        ),
        (Kind::Task, "Faults of a task's whole life (drawn once)"),
    ];
    for (kind, title) in kinds {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\n{title}:");
        for fault in Fault::ALL.iter().filter(|fault| fault.kind() == kind) {
            let _ = writeln!(text, "  {fault:<24} {}", fault.about());
        }
    }
    text.push_str("\nDialects, all at one address:\n");
    for about in dialects() {
        let _ = writeln!(text, "  {about}");
    }
    text.push_str(CONTROL);
    text
}

const WRITING: &str = "\
How values are written:
  TIME      250ms, 5s, 2m, 1h
  SPAN      5s..20s for a time drawn between the two, or 5s for always the same;
            lognormal:MEDIAN,SIGMA,FROM..TO for times as those of real songs: lognormal:90s,0.4,30s..300s
            has the median 90s and the sigma 0.4 (of the logarithm); what lies beyond the range becomes its bound
  RATE      5% or 0.05

How faults are ordered:
  for a run     --faults submit-503=5%,missing=10%,fail=2%
  for a task    directives in its title (lyrics: in the prompt), separated by spaces:
                  sim:FAULT       every time            Rain on Tin sim:fail
                  sim:FAULTxN     the first N times     Rain on Tin sim:429x2 sim:drop-after
                  sim:takes=SPAN  the task takes this long, once accepted
                  sim:answers=SPAN  the submit's answer takes this long
                Directives of one kind apply in the order written: the example is refused twice,
                then accepted without an answer. A misspelt directive is refused with 400.
                A song without a title is identified by its description, else by its prompt.
";

const CONTROL: &str = "
For tests, beside the dialects (no key needed):
  GET  /simulator/counts           counters of requests, accepted submits and faults; max_accepted_per_title
  GET  /simulator/places           how many tasks are made now, and the most that ever were at once: in all, and by
                                   the words user-… and key-… at the beginning of the prompt; submits refused with 429
  GET  /simulator/places/made      when each task is made, and for whom
  GET  /simulator/fetches          fetch calls: all, refused with 429, the most in any second and any 10 seconds; ids
  GET  /simulator/submits?title=T  how often T was submitted and accepted, the latest bodies
  GET  /simulator/tasks?title=T    the tasks of title T, or of all titles; at most 100
  GET  /simulator/faults           the run's faults; PUT replaces them: {\"submit-503\": 1, \"missing\": \"5%\"}
  PUT  /simulator/key              {\"key\": K}: from now on requests must carry this key; {} none
  POST /simulator/finish           ends tasks now: {} all, or {\"title\": T}, {\"task_ids\": […]}, \"fail\": true
  POST /simulator/forget           the upstream forgets tasks: {} all, or as above

RUST_LOG=suno_simulator=debug logs each request.
";
