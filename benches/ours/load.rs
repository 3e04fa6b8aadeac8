//! The load suite: `load import FILE FOLDER` and `load reopen FOLDER`, each in a process of its own, so that its peak memory is its alone.

use std::{fs, path::Path, time::Instant};

use torchboard::words::{VectorSet, import::Import};

pub fn run(arguments: &[String]) {
    let before = status_bytes(PEAK);
    let (set, seconds) = match arguments {
        [task, file, folder] if task == "import" => {
            let import = Import { id: "bench".into(), ..Import::named_after(Path::new(file), None).expect("a file name that gives an id") };
            let started = Instant::now();
            let imported = import.run(Path::new(folder)).expect("a file of vectors");
            (imported.set, started.elapsed().as_secs_f64())
        }
        [task, folder] if task == "reopen" => {
            let image = Path::new(folder).join("bench.vectors");
            let started = Instant::now();
            let set = VectorSet::open(&image).expect("an image");
            (set, started.elapsed().as_secs_f64())
        }
        other => panic!("expected `import FILE FOLDER` or `reopen FOLDER`, got {other:?}"),
    };
    let opened = status_bytes(PEAK);
    // Then as a server's memory is after many searches: every byte that a search may read has been touched.
    let quantised = set.quantised();
    let touched: f64 = set.matrix().iter().step_by(1024).map(|&value| f64::from(value)).sum::<f64>()
        + quantised.coarse_codes.iter().step_by(4096).map(|&code| f64::from(code)).sum::<f64>()
        + quantised.fine_rows.iter().step_by(4096).map(|&code| f64::from(code)).sum::<f64>()
        + set.norms().iter().chain(quantised.coarse_bounds.iter().map(|bound| &bound.scale)).map(|&value| f64::from(value)).sum::<f64>();
    let (touched_bytes, anonymous_bytes) = (status_bytes(PEAK), status_bytes(ANONYMOUS));
    println!(
        "{}",
        serde_json::json!({
            "seconds": seconds, "words": set.len(), "dimension": set.dimension(), "base_bytes": before, "peak_bytes": opened,
            "touched_peak_bytes": touched_bytes, "anonymous_bytes": anonymous_bytes, "sum": touched,
            "first": set.row(0), "last": set.row(set.len() - 1), "last_word": set.word(set.len() - 1),
        })
    );
}

/// The most memory that this process has had resident, mapped files included.
const PEAK: &str = "VmHWM:";
/// What of its resident memory belongs to it alone, mapped files left out.
const ANONYMOUS: &str = "RssAnon:";

fn status_bytes(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux says how much memory a process uses");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB") * 1024
}
