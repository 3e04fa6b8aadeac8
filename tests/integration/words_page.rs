//! `/words` over HTTP, as it is without scripts: the API's numbers, the report's beside them, faults beside their fields.

use crate::support::{SET, Server};

/// The text between two marks, which must be there.
fn between<'page>(page: &'page str, from: &str, to: &str) -> &'page str {
    let start = page.find(from).unwrap_or_else(|| panic!("no {from:?} on the page")) + from.len();
    let end = page[start..].find(to).unwrap_or_else(|| panic!("no {to:?} after {from:?}"));
    &page[start..start + end]
}

/// Everything of one section.
fn section<'page>(page: &'page str, id: &str) -> &'page str {
    between(page, &format!("<section id=\"{id}\""), "</section>")
}

/// The text of every element that opens so.
fn texts<'page>(page: &'page str, opening: &str) -> Vec<&'page str> {
    page.split(opening).skip(1).map(|rest| rest.split_once('>').unwrap().1.split_once('<').unwrap().0).collect()
}

#[tokio::test]
async fn the_table_of_neighbors_holds_what_the_api_answers() {
    let server = Server::start();
    let answer = server.json("/api/v1/words/small/neighbors?word=king&k=5", 200).await;
    let page = server.page("/words?set=small&words=king&k=5").await;
    let numbers = texts(section(&page, "neighbors"), "<td class=\"number ours\"");
    let expected = answer["neighbors"].as_array().unwrap().iter().map(|neighbor| {
        let text = format!("{:.3}", neighbor["similarity"].as_f64().unwrap());
        text.replace('-', "−")
    });
    assert_eq!(numbers, expected.collect::<Vec<_>>());
    let csv = server.page("/figures/words-neighbors.csv?set=small&words=king&k=5").await;
    let json = server.json("/figures/words-neighbors.json?set=small&words=king&k=5", 200).await;
    for (index, neighbor) in answer["neighbors"].as_array().unwrap().iter().enumerate() {
        let row = &json["rows"][index];
        assert_eq!((&row["neighbor"], row["rank"].as_u64()), (&neighbor["word"], Some(index as u64 + 1)));
        let single = |value: &serde_json::Value| value.as_f64().unwrap() as f32;
        assert_eq!(single(&row["similarity"]).to_bits(), single(&neighbor["similarity"]).to_bits(), "a file has all digits");
        let line = csv.lines().nth(index + 1).unwrap();
        assert!(line.starts_with(&format!("king,ours,{},{},", index + 1, neighbor["word"].as_str().unwrap())), "{line}");
    }
}

#[tokio::test]
async fn what_the_set_lacks_is_said_and_the_reports_figures_stand() {
    let server = Server::start();
    let page = server.page("/words").await;
    let neighbors = section(&page, "neighbors");
    assert!(neighbors.contains("“laptop” is not in this set"), "{neighbors}");
    assert!(neighbors.contains(">tehran<") && neighbors.contains(">0.80<"));
    let analogies = section(&page, "analogies");
    assert!(analogies.contains(">queen<") && analogies.contains(">0.70<"));
    assert!(analogies.contains("comes first, as in the report"), "king + woman - man is queen in the small set too");
    assert!(section(&page, "distances").contains(">0.95<"));
    assert!(section(&page, "maps").contains("Not in this set"));
}

#[tokio::test]
async fn a_mistyped_word_is_answered_with_near_spellings_and_nothing_typed_is_lost() {
    let server = Server::start();
    let response = server.get("/words?set=small&words=kinng,%20queen&odd=king,man,woman,filler1").await;
    assert_eq!(response.status(), 404);
    let page = response.text().await.unwrap();
    let neighbors = section(&page, "neighbors");
    assert!(neighbors.contains("“kinng” is not in this set"));
    assert!(neighbors.contains("value=\"kinng, queen\"") && neighbors.contains("aria-invalid=\"true\""));
    assert!(neighbors.contains("words=king%2C+queen"), "the near spelling's link mends the list: {neighbors}");
    assert!(neighbors.contains("Nearest to “queen”"), "the other word is answered");
    assert!(neighbors.contains("name=\"odd\" value=\"king,man,woman,filler1\""), "the other sections' state goes along");
}

#[tokio::test]
async fn rubbish_is_refused_beside_its_field() {
    let server = Server::start();
    for (query, field) in [
        ("k=0", "k"),
        ("k=1000000000", "k"),
        ("k=ten", "k"),
        ("words=", "words"),
        ("pairs=king", "pairs"),
        ("triples=king+man", "triples"),
        ("combine=divide", "combine"),
        ("method=magic", "method"),
        ("method=tsne&perplexity=NaN", "perplexity"),
        ("seed=-1", "seed"),
        ("groups=nonsense", "groups"),
        ("groups=a%3A+king+queen+man%0Aking+-%3E+duke", "groups"),
        ("x=", "x"),
        ("b=,", "b"),
        ("x=king,man&y=queen,king", "y"),
        ("test=nothing", "test"),
        ("occupations=", "occupations"),
    ] {
        let response = server.get(&format!("/words?set=small&{query}")).await;
        assert_eq!(response.status(), 422, "{query}");
        let page = response.text().await.unwrap();
        let faults = between(&page, &format!("id=\"{field}-faults\">"), "</div>");
        assert!(faults.contains("class=\"fault\""), "{query}: {faults}");
    }
    let long = "x".repeat(9000);
    assert_eq!(server.get(&format!("/words?set=small&words={long}")).await.status(), 422);
    assert_eq!(server.get("/words?set=absent").await.status(), 404);
    assert_eq!(server.get("/words/absent").await.status(), 404);
    assert_eq!(server.get("/words?set=%FF%FE&words=%00%FF&pairs=%3Cscript%3E").await.status(), 404);
    assert_eq!(server.get("/figures/words-absent.csv").await.status(), 404);
    assert_eq!(server.get("/figures/words-neighbors.exe").await.status(), 404);
    let problem = server.json("/figures/words-neighbors.csv?set=small&words=kinng", 404).await;
    assert_eq!(problem["suggestions"][0], "king");
    assert_eq!(server.json("/figures/words-map.svg?set=small&map=family&seed=x", 422).await["field"], "seed");
}

#[tokio::test]
async fn typed_markup_stays_text() {
    let server = Server::start();
    let response = server.get("/words?set=small&words=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E&groups=%3Cb%3E%3A+king+queen+man").await;
    let page = response.text().await.unwrap();
    assert!(!page.contains("<script>alert") && !page.contains("<b>"), "{page}");
}

#[tokio::test]
async fn a_pasted_map_is_the_same_in_every_face() {
    let server = Server::start();
    let query = "set=small&groups=men%3A+man+king%0Awomen%3A+woman+queen+duchess%0Aman+-%3E+woman%2C+king+-%3E+queen";
    for method in ["pca", "tsne&seed=7&perplexity=2"] {
        let address = format!("{query}&method={method}");
        let page = server.page(&format!("/words/maps?{address}")).await;
        let map = between(&page, "id=\"map-own\">", "</figure>");
        assert!(map.contains("<bdi dir=\"ltr\">duchess</bdi>"), "a word that is not there is listed");
        let json = server.json(&format!("/figures/words-map.json?map=own&{address}"), 200).await;
        let rows = json["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 4);
        for row in rows {
            let decimals = if method == "pca" { 3 } else { 1 };
            let x = format!("{:.decimals$}", row["x"].as_f64().unwrap()).replace('-', "−");
            assert!(map.contains(&format!("{}: {x}, ", row["word"].as_str().unwrap())), "{row} stands at another place on the page");
        }
        assert_eq!(json, server.json(&format!("/figures/words-map.json?map=own&{address}"), 200).await, "the same address, the same map");
        let svg = server.get(&format!("/figures/words-map.svg?map=own&{address}")).await;
        assert_eq!(svg.headers()["content-type"], "image/svg+xml");
        assert!(svg.text().await.unwrap().contains(">queen<"));
        let png = server.get(&format!("/figures/words-map.png?map=own&{address}")).await.bytes().await.unwrap();
        assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
    }
    let page = server.page(&format!("/words/maps?{query}")).await;
    assert!(page.contains("mean cosine between them 1.00"), "man to woman runs as king to queen does: the small set is made so");
}

/// Man, king : woman, queen, with themselves as attributes. The associations are .8536 and .6036 on one side and their negatives on the
/// other, by cosines of 1, 1/sqrt 2, 1/2 and 0; so d is 1.4571 / .8536, and one of six regroupings is as strong.
const BIAS: &str = "set=small&x=man,king&y=woman,queen&a=man,king&b=woman,queen";

#[tokio::test]
async fn the_association_test_gives_what_is_worked_out_by_hand_in_every_face() {
    let server = Server::start();
    let page = server.page(&format!("/words/bias?{BIAS}")).await;
    let bias = section(&page, "bias");
    assert_eq!(texts(between(bias, "class=\"measures\"", "</table>"), "<td class=\"number\""), ["1.707", "0.17", "all 6", "2 · 2 · 2 · 2"]);
    assert!(bias.contains("do not differ beyond chance") && bias.contains("d = 1.71, p = 0.17"), "{bias}");
    assert!(bias.contains("<title>man: 0.854</title>") && bias.contains("<title>queen: −0.604</title>"), "{bias}");
    let json = server.json(&format!("/figures/words-weat.json?{BIAS}"), 200).await;
    let of = |measure: &str| json["rows"].as_array().unwrap().iter().find(|row| row["measure"] == measure).unwrap()["value"].clone();
    assert!((of("effect_size").as_f64().unwrap() - (1.0 + 0.5_f64.sqrt())).abs() < 1e-5, "{json}");
    assert!((of("p_value").as_f64().unwrap() - 1.0 / 6.0).abs() < 1e-12);
    assert_eq!((of("permutations"), of("exact")), (6.into(), true.into()));
    let csv = server.page(&format!("/figures/words-weat.csv?{BIAS}")).await;
    assert_eq!(csv.lines().filter(|line| line.starts_with("association,x,") || line.starts_with("association,y,")).count(), 4, "{csv}");
    let svg = server.page(&format!("/figures/words-weat.svg?{BIAS}")).await;
    assert!(["man", "king", "woman", "queen", "0.854"].iter().all(|text| svg.contains(&format!(">{text}</text>"))), "{svg}");
}

#[tokio::test]
async fn published_lists_are_links_and_what_the_set_lacks_of_them_is_named() {
    let server = Server::start();
    let page = server.page("/words/bias?set=small").await;
    let bias = section(&page, "bias");
    for test in ["math%2Darts", "science%2Darts", "flowers%2Dinsects"] {
        assert!(bias.contains(&format!("test={test}#bias\"")), "{test}: {bias}");
    }
    assert!(bias.contains("<bdi dir=\"ltr\">john</bdi>") && bias.contains("<bdi dir=\"ltr\">nurse</bdi>"), "named, and no fault");
    assert!(bias.contains("needs at least two words of this set") && bias.contains("lacks “she” or “he”"));
    let chosen = server.page("/words/bias?set=default&test=math-arts").await;
    assert!(chosen.contains(">math, algebra, geometry, calculus, equations, computation, numbers, addition</textarea>"));
    assert!(chosen.contains("Targets X: mathematics") && chosen.contains("“mathematics”"));
    let edited = server.page("/words/bias?set=default&test=math-arts&x=algebra,+geometry,+numbers").await;
    assert!(edited.contains("Targets X<") && edited.contains("Targets Y: arts"), "an edited list has no published name");
}

#[tokio::test]
async fn a_word_that_a_person_adds_to_a_list_gets_near_spellings() {
    let server = Server::start();
    let response = server.get(&format!("/words?{BIAS}").replace("x=man,king", "x=man,kinng,king")).await;
    assert_eq!(response.status(), 404);
    let page = response.text().await.unwrap();
    let faults = between(&page, "id=\"x-faults\">", "</div>");
    assert!(faults.contains("“kinng” is not in this set") && faults.contains("x=man%2Cking%2Cking"), "{faults}");
    assert!(section(&page, "bias").contains(">1.707<"), "the others are tested");
    assert_eq!(server.json("/figures/words-weat.csv?set=small&x=kinng", 404).await["suggestions"][0], "king");
}

#[tokio::test]
async fn occupations_stand_on_the_axis_as_their_cosines_say() {
    let server = Server::start();
    let json = server.json("/figures/words-axis.json?occupations=nurse,+doctor,+captain", 200).await;
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    let similarity = async |a: &str, b: &str| {
        server.json(&format!("/api/v1/words/default/similarity?a={a}&b={b}"), 200).await["similarity"].as_f64().unwrap()
    };
    let length = (2.0 - 2.0 * similarity("she", "he").await).sqrt();
    for row in rows {
        let word = row["word"].as_str().unwrap();
        let expected = (similarity(word, "she").await - similarity(word, "he").await) / length;
        assert!((row["position"].as_f64().unwrap() - expected).abs() < 1e-5, "{row}: {expected}");
    }
    assert!(rows.is_sorted_by(|a, b| a["position"].as_f64() >= b["position"].as_f64()));
    let page = server.page("/words/bias").await;
    assert!(page.contains("as the report’s doctor + she − he = nurse has it"), "true of the embedded set");
}

#[tokio::test]
async fn accuracy_is_computed_when_asked_for_and_remembered() {
    let server = Server::start_with_questions(&[
        ("family", "man woman king queen\nwoman man queen king\nman woman king filler3\nman woman king nobody\n"),
        ("strange-ones", "a b c d\n"),
    ]);
    let offered = server.page("/words/accuracy?set=small").await;
    assert!(offered.contains("Evaluate this set now") && offered.contains("evaluate=1#accuracy"), "{offered}");
    assert_eq!(server.get("/figures/words-accuracy.csv?set=small").await.status(), 503);
    let computed = server.page("/words/accuracy?set=small&evaluate=1").await;
    assert!(computed.contains("2 of 3 covered questions are right: 66.7%"), "{computed}");
    for page in [computed, server.page("/words?set=small").await] {
        let accuracy = section(&page, "accuracy");
        assert!(!accuracy.contains("Evaluate this set now"), "it is remembered");
        assert_eq!(
            texts(between(accuracy, "<tbody>", "</tfoot>").rsplit_once("<tbody>").unwrap().1, "<td class=\"number\""),
            ["4", "3", "75.0", "2", "66.7", "1", "0", "0.0", "0", "—", "5", "3", "60.0", "2", "66.7"],
            "{accuracy}"
        );
        assert!(accuracy.contains(">Family<") && accuracy.contains(">strange-ones<"));
        assert!(accuracy.contains("words evaluate --set small --limit 64<"), "the command gives the same figures");
    }
    let csv = server.page("/figures/words-accuracy.csv?set=small").await;
    assert!(csv.starts_with("limit,section,questions,covered,coverage,correct,accuracy\n64,family,4,3,0.75,2,0.666"), "{csv}");
    assert!(server.page("/figures/words-accuracy.svg?set=small").await.contains(">2/3</text>"));
}

#[tokio::test]
async fn without_questions_the_page_says_what_brings_them() {
    let server = Server::start();
    let page = server.page("/words/accuracy?set=small&evaluate=1").await;
    assert!(page.contains("can’t be evaluated") && page.contains("torchboard serve --datasets DIR"), "{page}");
    assert_eq!(server.json("/figures/words-accuracy.json?set=small&evaluate=1", 503).await["status"], 503);
}

#[tokio::test]
async fn every_table_can_be_had_as_a_drawing() {
    let server = Server::start();
    for (figure, query, texts) in [
        ("neighbors", "words=king&k=3", ["Nearest to “king”", "queen"]),
        ("distances", "pairs=king queen", ["king · queen", "0.50"]),
        ("analogies", "triples=king woman man", ["king + woman − man", "queen"]),
        ("odd", "odd=king,man,woman,filler3", ["Similarity to the centroid", "filler3"]),
    ] {
        let svg = server.page(&format!("/figures/words-{figure}.svg?set=small&{query}")).await;
        assert!(texts.iter().all(|text| svg.contains(&format!(">{text}</text>"))), "{figure}: {svg}");
        let png = server.get(&format!("/figures/words-{figure}.png?set=small&{query}")).await.bytes().await.unwrap();
        assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n", "{figure}");
        let page = server.page(&format!("/words/{figure}?set=small&{query}")).await;
        assert!(["svg", "png", "csv", "json"].iter().all(|face| page.contains(&format!("/figures/words-{figure}.{face}?set=small"))));
    }
    let beside = server.page("/figures/words-neighbors.svg?words=mother").await;
    assert!(beside.contains("father: ") && beside.contains("(Report 0.79)"), "the report's similarity of mother and father: {beside}");
}

#[tokio::test]
async fn both_languages_have_the_same_numbers() {
    let server = Server::start();
    let numbers =
        |page: &str| texts(section(page, "analogies"), "<td class=\"number ours\"").into_iter().map(str::to_owned).collect::<Vec<_>>();
    let english = server.page("/words?set=small&lang=en").await;
    let persian = server.page("/words?set=small&lang=fa").await;
    assert!(persian.contains("dir=\"rtl\"") && persian.contains("همسایه‌های نزدیک"));
    assert!(!numbers(&english).is_empty());
    assert_eq!(numbers(&english), numbers(&persian));
    assert!(!persian.contains("No localization") && !english.contains("No localization"), "a text is missing");
    assert!(server.page(&format!("/words/odd?set={SET}&odd=king,man,queen,filler3&lang=fa")).await.contains("filler3"));
}

#[tokio::test]
async fn a_section_alone_has_the_numbers_of_the_whole_page() {
    let server = Server::start();
    let whole = server.page("/words?set=small&odd=king,man,woman,filler3").await;
    let alone = server.page("/words/odd?set=small&odd=king,man,woman,filler3").await;
    let numbers = |page: &str| texts(section(page, "odd"), "<td class=\"number\"").into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(numbers(&whole).len(), 4 + 10);
    assert_eq!(numbers(&whole), numbers(&alone));
    assert!(section(&whole, "odd").contains("“filler3” is the odd one out"));
}
