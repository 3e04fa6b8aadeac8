# The Words page.

words-title = Words
words-lead = A word is a point in space. Words of like meaning lie near each other, and some directions carry a relation: man to woman, old to young. Below, every result of the report on words, recomputed on the set of vectors you choose.
words-contents = On this page

## The set of vectors

words-set = Set of vectors
words-set-show = Show this set
words-set-option = { $name } · { $vocabulary } words × { $dimension }
words-set-size = { $vocabulary } words, { $dimension } values each.
words-set-embedded = This small set comes with Torchboard. It was trained on novels of 1839 to 1927, the World Factbook and a few Wikipedia articles, so it is literary and dated: it knows horses and sisters better than laptops.
words-set-report = The report used { $name }: { $vocabulary } words, { $dimension } values each. Where our figures differ from the report's, the vectors differ; the arithmetic is the same.
words-set-same = This set has the size of the report's ({ $vocabulary } words, { $dimension } values): the two columns should agree to the second decimal.
words-set-bring = For the report's own vectors, run
words-ours = Ours
words-report = Report
words-word = Word
words-similarity = Similarity
words-distance = Cosine distance
words-rank = Rank
words-both = in both lists
words-missing = Not in this set:
words-none-in-set = None of these words is in this set.
words-not-in-set = “{ $word }” is not in this set. The report’s figures stand alone here.
words-unknown = “{ $word }” is not in this set.
words-suggest = Did you mean
words-show = Show
words-reset = Back to the report’s
words-back-to-all = All of the word page
words-section-own = This section alone
words-hint-list = Separate words by commas.
words-figure-cut = The drawing shows the first { $shown } of { $count } bars; CSV and JSON have all.

## 1 Nearest words

words-neighbors-title = Nearest words
words-neighbors-about = The words whose vectors make the smallest angle with the one asked for. Cosine similarity is 1 for the same direction and 0 for a right angle.
words-neighbors-words = Words
words-neighbors-k = How many
words-neighbors-caption = Nearest to “{ $word }”
words-neighbors-reading = { $known ->
    [0] None of these words is in this set.
    [one] One of these words is in this set; its nearest word is “{ $nearest }”, at { $similarity }.
   *[other] The closest pair here is “{ $word }” and “{ $nearest }”, at { $similarity }.
 }
words-neighbors-common = { $common ->
    [0] The report and this set share none of { $total } neighbours.
    [one] The report and this set share one of { $total } neighbours.
   *[other] The report and this set share { $common } of { $total } neighbours.
 }
words-neighbors-common-one = { $common ->
    [0] none of { $total } in common with the report
    [one] one of { $total } in common with the report
   *[other] { $common } of { $total } in common with the report
 }

## 2 Near and far

words-distances-title = Near and far
words-distances-about = Cosine distance is 1 − cosine similarity: 0 for the same direction, 1 for a right angle, more when two words point apart.
words-distances-pairs = Pairs of words
words-distances-hint = Two words to a pair, commas between pairs: john alex, john iran
words-distances-caption = Cosine distance of pairs of words
words-distances-first = First word
words-distances-second = Second word
words-distances-reading = { $known ->
    [0] None of these pairs is in this set.
    [one] “{ $a }” and “{ $b }” lie { $distance } apart.
   *[other] The nearest pair is “{ $a }” and “{ $b }” ({ $distance }), the farthest “{ $c }” and “{ $d }” ({ $far }).
 }
words-distances-agree = { $agree ->
    [0] The report’s near word is not the nearer one here
    [one] The report’s near word is the nearer one here too, in one case
   *[other] The report’s near word is the nearer one here too, in { $agree } cases
 } of { $total } that can be asked of this set.

## 3 Analogies

words-analogies-title = Analogies, both ways round
words-analogies-about = Take w1, add w2, take w3 away, and look for the nearest word; then add w3 and take w2 away. The vectors have unit length before they are added, and the three words themselves are left out of the answers.
words-analogies-triples = Triples of words
words-analogies-hint = Three words to a triple, commas between triples: king woman man, doctor she he
words-analogies-method = Combine by
words-analogies-add = addition (3CosAdd)
words-analogies-mul = multiplication (3CosMul)
words-analogies-mul-note = 3CosMul scores are ratios of similarities, not similarities: compare their order with the report’s, not their values.
words-analogies-top = “{ $answer }” comes first, as in the report.
words-analogies-elsewhere = The report’s “{ $wanted }” comes at rank { $rank } here; “{ $answer }” comes first.
words-analogies-beyond = The report’s “{ $wanted }” is not among the first { $k } here; “{ $answer }” comes first.
words-analogies-lacking = The report’s “{ $wanted }” is not in this set; “{ $answer }” comes first.
words-analogies-own = “{ $answer }” comes first.
words-analogies-reading = { $asked ->
    [0] None of these triples is in this set.
   *[other] Of { $asked } questions that this set can answer, { $same } { $same ->
        [one] gets
       *[other] get
     } the report’s first word.
 }
words-analogies-unanswered = { $words } not in this set; the report’s figures stand alone here.

## 4 Odd one out

words-odd-title = Odd one out
words-odd-about = The centroid is the mean of the words’ unit vectors. The word least similar to it is the odd one out; the words nearest to it, the given ones left out, say what the others share.
words-odd-words = Words
words-odd-caption = Similarity to the centroid
words-odd-centroid = Nearest to the centroid
words-odd-reading = “{ $odd }” is the odd one out: its similarity to the centroid is { $least }, the next least is { $next } (“{ $second }”). Nearest to the centroid is “{ $nearest }”.
words-odd-mark = odd one out
words-odd-few = At least three words of this set are needed to find the odd one out.

## 5 Maps

words-maps-title = Maps of word groups
words-maps-about = Many values per word, drawn in two. PCA keeps the directions in which the words differ most, so parallel relations stay parallel; t-SNE keeps neighbours together and gives up distances and directions.
words-maps-method = Method
words-maps-pca = PCA
words-maps-tsne = t-SNE
words-maps-perplexity = Perplexity
words-maps-seed = Seed
words-maps-draw = Draw
words-maps-table = Numbers
words-maps-group = Group
words-maps-own-title = Your own groups
words-maps-groups = Groups and arrows
words-maps-groups-hint = One group to a line: a name, a colon, its words. An arrow has a line of its own: man -> woman
words-maps-x-pca = first principal component
words-maps-y-pca = second principal component
words-maps-x-tsne = t-SNE, first axis
words-maps-y-tsne = t-SNE, second axis
words-maps-few = At least three words of this set are needed to draw a map.
words-maps-too-many = A map takes at most { $limit } words; these are { $count }.
words-maps-group-form = Line { $line } is neither a group (“name: word word”) nor an arrow (“man -> woman”).
words-maps-arrow-word = Line { $line }: “{ $word }” stands in none of the groups.
words-maps-explained = The two axes carry { $percent } of the variance of these { $words } words.
words-maps-kl = t-SNE with perplexity { $perplexity } and seed { $seed } ends at a KL divergence of { $kl } nats.
words-maps-parallel = { $relation }: { $count } arrows, mean cosine between them { $space } in all { $dimension } dimensions and { $map } on the map { $verdict ->
    [parallel] — they run one way.
    [leaning] — they lean one way.
   *[scattered] — they do not run one way.
 }
words-maps-clusters = { $own } of { $words } words have their nearest word on this map within their own group { $verdict ->
    [apart] — the groups stand apart.
    [mostly] — most words keep to their group.
   *[mixed] — the groups are mixed.
 }
words-maps-close = The closest two are “{ $a }” and “{ $b }” ({ $similarity }).
words-map-family = Family, by gender and age
words-map-plurals = One and many
words-map-world = Colours, animals, countries
words-map-things = Electronics, kitchenware, parts of the body
words-map-calf = Young : old = calf : cow
words-map-own = Your own groups
words-map-family-report = The report: man to woman runs up and to the left, older to younger down and to the left.
words-map-plurals-report = The report: singular to plural runs one way.
words-map-world-report = The report: three clusters, Iran and Iraq close together, the Emirates and Qatar too.
words-map-things-report = The report: three clusters.
words-map-calf-report = The report: wanted is calf, found is mad, because calf is mostly the muscle of the leg; yet the arrow from cow to calf runs as the one from old to young.
words-map-signs = The sign of a principal component is a convention: a map and its mirror image say the same.
words-group-older-men = older men
words-group-older-women = older women
words-group-younger-men = younger men
words-group-younger-women = younger women
words-group-singular = singular
words-group-plural = plural
words-group-colours = colours
words-group-animals = animals
words-group-countries = countries
words-group-electronics = electronics
words-group-kitchenware = kitchenware
words-group-body = parts of the body
words-group-young-ones = the young
words-group-old-ones = the old
words-group-beside-calf = beside calf
words-relation-man-to-woman = Man to woman
words-relation-older-to-younger = Older to younger
words-relation-singular-to-plural = Singular to plural
words-relation-old-to-young = Old to young
words-relation-own = Your arrows
words-calf-first = { $found ->
    [wanted] “{ $wanted }” is the nearest word to { $cow } + { $young } − { $old } here.
   *[other] The nearest word to { $cow } + { $young } − { $old } is “{ $answer }” here; “{ $wanted }” comes at rank { $rank }.
 }
words-calf-side = “{ $wanted }” is { $nearer ->
    [yes] nearer to “{ $near }” ({ $near-similarity }) than to “{ $far }” ({ $far-similarity }), as in the report.
   *[no] not nearer to “{ $near }” ({ $near-similarity }) than to “{ $far }” ({ $far-similarity }), unlike in the report.
 }

## 6 Bias

words-bias-title = Bias
words-bias-about = The report reads doctor + she − he = nurse as a bias of the vectors. Two measures make that testable: whether one list of words is associated with male words more than another is, and where each occupation lies between “he” and “she”.
words-weat-title = Word-embedding association test
words-weat-about = The WEAT effect size of Caliskan et al. (2017): how much more the words of X are associated with A rather than B than the words of Y are, in standard deviations. The p-value is the share of equal-sized regroupings of X and Y with an association at least as strong.
words-weat-tests = Published lists:
words-test-career-family = career and family
words-test-math-arts = mathematics and arts
words-test-science-arts = science and arts
words-test-flowers-insects = flowers and insects
words-list-male-names = male names
words-list-female-names = female names
words-list-career = career
words-list-family = family
words-list-mathematics = mathematics
words-list-arts = arts
words-list-male-terms = male terms
words-list-female-terms = female terms
words-list-science = science
words-list-flowers = flowers
words-list-insects = insects
words-list-pleasant = pleasant words
words-list-unpleasant = unpleasant words
words-weat-x = Targets X
words-weat-y = Targets Y
words-weat-a = Attributes A
words-weat-b = Attributes B
words-weat-reading = { $verdict ->
    [towards-a] “{ $x }” goes with “{ $a }” and “{ $y }” with “{ $b }”, more than chance would have it: d = { $effect } of at most 2, p = { $p }.
    [towards-b] “{ $x }” goes with “{ $b }” and “{ $y }” with “{ $a }”, far the other way: d = { $effect } of at least −2, p = { $p }.
   *[none] “{ $x }” and “{ $y }” do not differ beyond chance in how they go with “{ $a }” and “{ $b }”: d = { $effect }, p = { $p }.
 }
words-weat-few = Each of the four lists needs at least two words of this set.
words-weat-effect = Effect size d
words-weat-p = One-sided p-value
words-weat-permutations = Regroupings
words-weat-exact = all { $count }
words-weat-sampled = { $count } at random
words-weat-used = Words of X · Y · A · B
words-weat-axis = mean cosine to { $a } less that to { $b }
words-axis-title = Occupations between he and she
words-axis-about = Each occupation’s cosine with the direction from “he” to “she” (Bolukbasi et al. 2016): to the right of zero lies “she”.
words-axis-words = Occupations
words-axis-value = cosine with she − he
words-axis-reading = Nearest to “she” lies “{ $she }” ({ $she-value }), nearest to “he” “{ $he }” ({ $he-value }); { $count } of { $total } lie on the side of “she”.
words-axis-pair = { $verdict ->
    [nearer] “{ $to }” ({ $to-value }) lies nearer to “she” than “{ $from }” ({ $from-value }), as the report’s { $from } + she − he = { $to } has it.
   *[farther] “{ $to }” ({ $to-value }) does not lie nearer to “she” than “{ $from }” ({ $from-value }), although the report’s { $from } + she − he is { $to }.
 }
words-axis-pair-missing = Of the report’s pair “{ $from }” and “{ $to }”, a word is not in this set.
words-axis-poles = This set lacks “she” or “he”, so there is no axis.

## 7 Accuracy

words-accuracy-title = Accuracy on analogies
words-accuracy-about = Questions of the form a is to b as c is to d, those of the reference GloVe, answered by 3CosAdd. A question counts when the set has all four of its words; counted as gensim’s evaluate_word_analogies counts.
words-accuracy-reading = { $correct } of { $covered } covered questions are right: { $accuracy }. That covers { $coverage } of all questions. Best is “{ $best }” ({ $best-accuracy }), weakest “{ $worst }” ({ $worst-accuracy }).
words-accuracy-reading-among = Among the first { $words } words, { $correct } of { $covered } covered questions are right: { $accuracy }. That covers { $coverage } of all questions. Best is “{ $best }” ({ $best-accuracy }), weakest “{ $worst }” ({ $worst-accuracy }).
words-accuracy-report = The report gives no such figures. They stand here so that sets of vectors can be compared.
words-accuracy-stored = Stored with the set when it was made. The same command repeats it:
words-accuracy-repeat = Computed by this server from the questions. The same in a terminal:
words-accuracy-run = Evaluate this set now
words-accuracy-run-note = It takes a second or two for a small set, up to a minute for hundreds of thousands of words. Everything else answers meanwhile.
words-accuracy-computing = This set is being evaluated.
words-accuracy-again = Look again
words-accuracy-absent = The analogy questions are not on this machine, so this set can’t be evaluated. Put the text files of this folder where the server finds them:
words-accuracy-frequent = Among the { $words } most frequent words
words-accuracy-all = Among all { $words } words
words-accuracy-among-all = among all words
words-accuracy-section = Section
words-accuracy-questions = Asked
words-accuracy-covered = Covered
words-accuracy-coverage = %
words-accuracy-correct = Right
words-accuracy-percent = %
words-accuracy-ratio = Right/covered
words-accuracy-accuracy = accuracy
words-accuracy-total = All sections
words-questions-capital-common-countries = Capitals, common countries
words-questions-capital-world = Capitals of the world
words-questions-city-in-state = Cities and states
words-questions-currency = Currencies
words-questions-family = Family
words-questions-gram1-adjective-to-adverb = Adverbs
words-questions-gram2-opposite = Opposites
words-questions-gram3-comparative = Comparatives
words-questions-gram4-superlative = Superlatives
words-questions-gram5-present-participle = Present participles
words-questions-gram6-nationality-adjective = Nationalities
words-questions-gram7-past-tense = Past tense
words-questions-gram8-plural = Plurals
words-questions-gram9-plural-verbs = Plural verbs

## Errors beside a field

words-error-k = How many must be a whole number from 1 to { $limit }.
words-error-choice = This must be one of { $choices }.
words-error-perplexity = Perplexity must be a number from 1 to { $limit }.
words-error-seed = Seed must be a whole number from 0 to { $limit }.
words-error-pair = “{ $text }” is not a pair of words.
words-error-triple = “{ $text }” is not a triple of words.
words-error-both = “{ $word }” stands in X too; a word belongs to one of the two.
words-error-empty = Type at least one word.
words-error-many = At most { $limit } are taken at once; these are { $count }.
words-error-long = This text has { $count } characters; at most { $limit } are taken.
