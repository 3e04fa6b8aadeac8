//! The train suite's text for the other side: `train tokenise OUTPUT FILE...` writes the tokens that our training reads.
//!
//! The reference implementation parts tokens at spaces and ends a window at a line end; ours lets windows run on. So all tokens
//! stand on one line, and both count the same pairs.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};

use torchboard::words::glove;

pub fn run(arguments: &[String]) {
    let [task, output, corpora @ ..] = arguments else { panic!("expected `tokenise OUTPUT FILE...`") };
    assert_eq!(task, "tokenise");
    let mut writer = BufWriter::with_capacity(1 << 18, File::create(output).expect("OUTPUT can be written"));
    let (mut tokens, mut buffer) = (0_u64, String::new());
    for corpus in corpora {
        glove::for_each_line(Path::new(corpus), |line, _| {
            glove::tokenise(line, &mut buffer, |token| {
                writer.write_all(token.as_bytes()).and_then(|()| writer.write_all(b" ")).expect("OUTPUT takes all tokens");
                tokens += 1;
            });
            Ok(true)
        })
        .expect("FILE is text");
    }
    writer.flush().expect("OUTPUT takes all tokens");
    println!("{}", serde_json::json!({ "tokens": tokens }));
}
