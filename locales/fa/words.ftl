# صفحهٔ واژه‌ها

words-title = واژه‌ها
words-lead = هر واژه نقطه‌ای در فضاست. واژه‌های هم‌معنا کنار هم می‌نشینند و بعضی جهت‌ها رابطه‌ای را نشان می‌دهند: از مرد به زن، از پیر به جوان. آنچه گزارش دربارهٔ واژه‌ها آورده، در این صفحه روی مجموعه‌ای که برمی‌گزینید از نو حساب می‌شود.
words-contents = در این صفحه

## مجموعهٔ بردارها

words-set = مجموعهٔ بردارها
words-set-show = نمایش این مجموعه
words-set-option = { $name } · { $vocabulary } واژه × { $dimension }
words-set-size = { $vocabulary } واژه، هر یک با { $dimension } مؤلفه.
words-set-embedded = این مجموعهٔ کوچک همراه خود Torchboard است. متن آموزش آن رمان‌های سال‌های ۱۸۳۹ تا ۱۹۲۷، کتاب World Factbook و چند مقالهٔ ویکی‌پدیاست؛ پس زبانش ادبی و قدیمی است و اسب و خواهر را بهتر از لپ‌تاپ می‌شناسد.
words-set-report = گزارش از { $name } استفاده کرده است: { $vocabulary } واژه، هر یک با { $dimension } مؤلفه. هر جا عدد ما با گزارش فرق دارد، بردارها فرق دارند؛ روش محاسبه همان است.
words-set-same = اندازهٔ این مجموعه همان اندازهٔ مجموعهٔ گزارش است ({ $vocabulary } واژه، { $dimension } مؤلفه)؛ دو ستون باید تا رقم دوم اعشار یکی باشند.
words-set-bring = برای گرفتن بردارهای خود گزارش، این فرمان را اجرا کنید:
words-ours = ما
words-report = گزارش
words-word = واژه
words-similarity = شباهت
words-distance = فاصلهٔ کسینوسی
words-rank = رتبه
words-both = در هر دو فهرست
words-missing = در این مجموعه نیست:
words-none-in-set = هیچ‌یک از این واژه‌ها در این مجموعه نیست.
words-not-in-set = واژهٔ «{ $word }» در این مجموعه نیست. اینجا فقط عددهای گزارش آمده است.
words-unknown = واژهٔ «{ $word }» در این مجموعه نیست.
words-suggest = شاید منظورتان این بود:
words-show = نمایش
words-reset = بازگشت به ورودی گزارش
words-back-to-all = همهٔ صفحهٔ واژه‌ها
words-section-own = فقط همین بخش
words-hint-list = میان واژه‌ها ویرگول بگذارید.
words-figure-cut = در تصویر { $shown } ستون نخست از { $count } ستون آمده است؛ CSV و JSON همه را دارند.

## ۱ همسایه‌های نزدیک

words-neighbors-title = همسایه‌های نزدیک
words-neighbors-about = واژه‌هایی که بردارشان کوچک‌ترین زاویه را با بردار واژهٔ پرسیده‌شده می‌سازد. شباهت کسینوسی برای دو بردار هم‌جهت ۱ و برای دو بردار عمود بر هم صفر است.
words-neighbors-words = واژه‌ها
words-neighbors-k = تعداد همسایه‌ها
words-neighbors-caption = نزدیک‌ترین‌ها به «{ $word }»
words-neighbors-reading = { $known ->
    [0] هیچ‌یک از این واژه‌ها در این مجموعه نیست.
    [1] تنها یکی از این واژه‌ها در این مجموعه هست؛ نزدیک‌ترین همسایه‌اش «{ $nearest }» با شباهت { $similarity } است.
   *[other] نزدیک‌ترین جفت در اینجا «{ $word }» و «{ $nearest }» با شباهت { $similarity } است.
 }
words-neighbors-common = { $common ->
    [0] از { $total } همسایه، هیچ‌کدام میان گزارش و این مجموعه مشترک نیست.
   *[other] از { $total } همسایه، { $common } همسایه میان گزارش و این مجموعه مشترک است.
 }
words-neighbors-common-one = { $common ->
    [0] بی‌اشتراک با { $total } همسایهٔ گزارش
   *[other] { $common } همسایه از { $total } مشترک با گزارش
 }

## ۲ نزدیک و دور

words-distances-title = نزدیک و دور
words-distances-about = فاصلهٔ کسینوسی یعنی ۱ منهای شباهت کسینوسی: برای دو بردار هم‌جهت صفر، برای دو بردار عمود بر هم ۱، و برای بردارهای رو به خلاف هم بیشتر از ۱.
words-distances-pairs = جفت‌واژه‌ها
words-distances-hint = هر جفت دو واژه است و میان جفت‌ها ویرگول می‌آید: { "john alex, john iran" }
words-distances-caption = فاصلهٔ کسینوسی جفت‌واژه‌ها
words-distances-first = واژهٔ نخست
words-distances-second = واژهٔ دوم
words-distances-reading = { $known ->
    [0] هیچ‌یک از این جفت‌ها در این مجموعه نیست.
    [1] فاصلهٔ «{ $a }» از «{ $b }» برابر { $distance } است.
   *[other] نزدیک‌ترین جفت «{ $a }» و «{ $b }» است ({ $distance }) و دورترین جفت «{ $c }» و «{ $d }» ({ $far }).
 }
words-distances-agree = { $agree ->
    [0] از { $total } موردی که در این مجموعه سنجیدنی است، در هیچ‌کدام واژهٔ نزدیکِ گزارش نزدیک‌تر نیست.
   *[other] از { $total } موردی که در این مجموعه سنجیدنی است، در { $agree } مورد واژهٔ نزدیکِ گزارش اینجا هم نزدیک‌تر است.
 }

## ۳ قیاس

words-analogies-title = قیاس، از هر دو سو
words-analogies-about = به w1 بردار w2 را می‌افزاییم، w3 را کم می‌کنیم و نزدیک‌ترین واژه را می‌جوییم؛ سپس جای w2 و w3 را عوض می‌کنیم. پیش از جمع، هر بردار به طول واحد درمی‌آید و خود سه واژه از پاسخ‌ها کنار گذاشته می‌شوند.
words-analogies-triples = سه‌تایی‌ها
words-analogies-hint = هر سه‌تایی سه واژه است و میان سه‌تایی‌ها ویرگول می‌آید: { "king woman man, doctor she he" }
words-analogies-method = روش ترکیب
words-analogies-add = جمع (3CosAdd)
words-analogies-mul = ضرب (3CosMul)
words-analogies-mul-note = امتیاز 3CosMul نسبت شباهت‌هاست، نه خود شباهت؛ پس ترتیب پاسخ‌ها را با گزارش بسنجید، نه مقدارشان را.
words-analogies-top = پاسخ نخست مانند گزارش «{ $answer }» است.
words-analogies-elsewhere = پاسخ گزارش، «{ $wanted }»، اینجا در رتبهٔ { $rank } است؛ پاسخ نخست «{ $answer }» است.
words-analogies-beyond = پاسخ گزارش، «{ $wanted }»، میان { $k } پاسخ نخست نیست؛ پاسخ نخست «{ $answer }» است.
words-analogies-lacking = پاسخ گزارش، «{ $wanted }»، در این مجموعه نیست؛ پاسخ نخست «{ $answer }» است.
words-analogies-own = پاسخ نخست «{ $answer }» است.
words-analogies-reading = { $asked ->
    [0] هیچ‌یک از این سه‌تایی‌ها در این مجموعه نیست.
   *[other] از { $asked } پرسشی که این مجموعه می‌تواند پاسخ دهد، { $same } پاسخ نخست با گزارش یکی است.
 }
words-analogies-unanswered = { $words } در این مجموعه نیست؛ اینجا فقط عددهای گزارش آمده است.

## ۴ واژهٔ ناهمگون

words-odd-title = واژهٔ ناهمگون
words-odd-about = مرکز، میانگین بردارهای واحد واژه‌هاست. واژه‌ای که کمترین شباهت را به مرکز دارد ناهمگون است؛ نزدیک‌ترین واژه‌ها به مرکز (جز خود واژه‌های داده‌شده) می‌گویند که بقیه در چه چیزی مشترک‌اند.
words-odd-words = واژه‌ها
words-odd-caption = شباهت به مرکز
words-odd-centroid = نزدیک‌ترین‌ها به مرکز
words-odd-reading = «{ $odd }» ناهمگون است: شباهتش به مرکز { $least } است و کمترین شباهت پس از آن { $next } («{ $second }»). نزدیک‌ترین واژه به مرکز «{ $nearest }» است.
words-odd-mark = ناهمگون
words-odd-few = برای یافتن واژهٔ ناهمگون دست‌کم سه واژه از این مجموعه لازم است.

## ۵ نگاشت دوبعدی

words-maps-title = نگاشت دوبعدی گروه‌های واژه
words-maps-about = هر واژه مؤلفه‌های بسیار دارد و اینجا با دو عدد رسم می‌شود. PCA جهت‌هایی را نگه می‌دارد که واژه‌ها در آن‌ها بیشترین پراکندگی را دارند، پس رابطه‌های موازی موازی می‌مانند؛ t-SNE همسایه‌ها را کنار هم نگه می‌دارد و از فاصله‌ها و جهت‌ها چشم می‌پوشد.
words-maps-method = روش
words-maps-pca = PCA
words-maps-tsne = t-SNE
words-maps-perplexity = سرگشتگی (perplexity)
words-maps-seed = هستهٔ تصادفی (seed)
words-maps-draw = رسم
words-maps-table = عددها
words-maps-group = گروه
words-maps-own-title = گروه‌های خودتان
words-maps-groups = گروه‌ها و پیکان‌ها
words-maps-groups-hint = هر گروه در یک سطر: نام، دونقطه و واژه‌ها. هر پیکان هم در یک سطر: { "man -> woman" }
words-maps-x-pca = مؤلفهٔ اصلی اول
words-maps-y-pca = مؤلفهٔ اصلی دوم
words-maps-x-tsne = محور اول t-SNE
words-maps-y-tsne = محور دوم t-SNE
words-maps-few = برای رسم نگاشت دست‌کم سه واژه از این مجموعه لازم است.
words-maps-too-many = یک نگاشت حداکثر { $limit } واژه می‌پذیرد؛ شما { $count } واژه داده‌اید.
words-maps-group-form = سطر { $line } نه گروه است («name: word word») و نه پیکان («man -> woman»).
words-maps-arrow-word = سطر { $line }: واژهٔ «{ $word }» در هیچ گروهی نیست.
words-maps-explained = دو محور روی هم { $percent } از واریانس این { $words } واژه را نشان می‌دهند.
words-maps-kl = اجرای t-SNE با سرگشتگی { $perplexity } و هستهٔ { $seed } به واگرایی KL برابر { $kl } نات می‌رسد.
words-maps-parallel = { $relation }: { $count } پیکان، با میانگین کسینوس دوبه‌دوی { $space } در همهٔ { $dimension } بُعد و { $map } روی نگاشت { $verdict ->
    [parallel] — همه رو به یک سو هستند.
    [leaning] — کمابیش رو به یک سو هستند.
   *[scattered] — رو به یک سو نیستند.
 }
words-maps-clusters = نزدیک‌ترین واژهٔ { $own } واژه از { $words } واژه روی این نگاشت از گروه خودش است { $verdict ->
    [apart] — گروه‌ها از هم جدا هستند.
    [mostly] — بیشتر واژه‌ها در گروه خود مانده‌اند.
   *[mixed] — گروه‌ها در هم رفته‌اند.
 }
words-maps-close = نزدیک‌ترین جفت «{ $a }» و «{ $b }» است ({ $similarity }).
words-map-family = خانواده، به تفکیک جنسیت و سن
words-map-plurals = مفرد و جمع
words-map-world = رنگ‌ها، جانوران، کشورها
words-map-things = وسایل الکترونیکی، ظرف‌های آشپزخانه، اندام‌ها
words-map-calf = جوان : پیر = گوساله : گاو
words-map-own = گروه‌های خودتان
words-map-family-report = گزارش: رفتن از مرد به زن رو به بالا و چپ است و از بزرگ‌تر به کوچک‌تر رو به پایین و چپ.
words-map-plurals-report = گزارش: رفتن از مفرد به جمع همه‌جا رو به یک سو است.
words-map-world-report = گزارش: سه خوشه؛ ایران و عراق نزدیک هم، امارات و قطر نیز.
words-map-things-report = گزارش: سه خوشه.
words-map-calf-report = گزارش: پاسخ درست calf است اما mad به دست می‌آید، چون calf بیشتر به معنای ماهیچهٔ ساق پاست؛ با این همه پیکان cow به calf هم‌سوی پیکان old به young است.
words-map-signs = علامت مؤلفه‌های اصلی قراردادی است؛ یک نگاشت و تصویر آینه‌ای‌اش یک چیز می‌گویند.
words-group-older-men = مردان بزرگ‌تر
words-group-older-women = زنان بزرگ‌تر
words-group-younger-men = مردان کوچک‌تر
words-group-younger-women = زنان کوچک‌تر
words-group-singular = مفرد
words-group-plural = جمع
words-group-colours = رنگ‌ها
words-group-animals = جانوران
words-group-countries = کشورها
words-group-electronics = وسایل الکترونیکی
words-group-kitchenware = ظرف‌های آشپزخانه
words-group-body = اندام‌ها
words-group-young-ones = جوان‌ها
words-group-old-ones = پیرها
words-group-beside-calf = پیرامون calf
words-relation-man-to-woman = مرد به زن
words-relation-older-to-younger = بزرگ‌تر به کوچک‌تر
words-relation-singular-to-plural = مفرد به جمع
words-relation-old-to-young = پیر به جوان
words-relation-own = پیکان‌های شما
words-calf-first = { $found ->
    [wanted] اینجا نزدیک‌ترین واژه به { $cow } + { $young } − { $old } همان «{ $wanted }» است.
   *[other] اینجا نزدیک‌ترین واژه به { $cow } + { $young } − { $old } واژهٔ «{ $answer }» است و «{ $wanted }» در رتبهٔ { $rank } می‌آید.
 }
words-calf-side = { $nearer ->
    [yes] «{ $wanted }» مانند گزارش به «{ $near }» ({ $near-similarity }) نزدیک‌تر است تا به «{ $far }» ({ $far-similarity }).
   *[no] «{ $wanted }» برخلاف گزارش به «{ $near }» ({ $near-similarity }) نزدیک‌تر نیست تا به «{ $far }» ({ $far-similarity }).
 }

## ۶ سوگیری

words-bias-title = سوگیری
words-bias-about = گزارش، پاسخ nurse به doctor + she − he را نشانهٔ سوگیری بردارها می‌داند. دو سنجه این را آزمودنی می‌کند: آیا پیوند یک فهرست واژه با واژه‌های مردانه بیش از فهرست دیگر است؟ و هر شغل کجای محور he تا she می‌نشیند؟
words-weat-title = آزمون تداعی بردارهای واژه (WEAT)
words-weat-about = اندازهٔ اثر WEAT از Caliskan و همکاران (۲۰۱۷): تداعی واژه‌های X با A در برابر B، چند انحراف معیار بیشتر از همین تداعی برای واژه‌های Y است. مقدار p سهمی از گروه‌بندی‌های هم‌اندازهٔ X و Y است که تداعی‌شان دست‌کم به همین شدت است.
words-weat-tests = فهرست‌های منتشرشده:
words-test-career-family = شغل و خانواده
words-test-math-arts = ریاضیات و هنر
words-test-science-arts = علم و هنر
words-test-flowers-insects = گل‌ها و حشره‌ها
words-list-male-names = نام‌های مردانه
words-list-female-names = نام‌های زنانه
words-list-career = شغل
words-list-family = خانواده
words-list-mathematics = ریاضیات
words-list-arts = هنر
words-list-male-terms = واژه‌های مردانه
words-list-female-terms = واژه‌های زنانه
words-list-science = علم
words-list-flowers = گل‌ها
words-list-insects = حشره‌ها
words-list-pleasant = واژه‌های خوشایند
words-list-unpleasant = واژه‌های ناخوشایند
words-weat-x = واژه‌های هدف X
words-weat-y = واژه‌های هدف Y
words-weat-a = واژه‌های صفت A
words-weat-b = واژه‌های صفت B
words-weat-reading = { $verdict ->
    [towards-a] «{ $x }» با «{ $a }» و «{ $y }» با «{ $b }» تداعی دارد، بیش از آنچه از بخت برمی‌آید: d برابر { $effect } (حداکثر ۲) و p برابر { $p } است.
    [towards-b] «{ $x }» با «{ $b }» و «{ $y }» با «{ $a }» تداعی دارد، درست در جهت وارونه: d برابر { $effect } (حداقل −۲) و p برابر { $p } است.
   *[none] «{ $x }» و «{ $y }» در تداعی با «{ $a }» و «{ $b }» تفاوتی بیش از بخت ندارند: d برابر { $effect } و p برابر { $p } است.
 }
words-weat-few = از هر یک از چهار فهرست دست‌کم دو واژه باید در این مجموعه باشد.
words-weat-effect = اندازهٔ اثر d
words-weat-p = مقدار p یک‌طرفه
words-weat-permutations = گروه‌بندی‌ها
words-weat-exact = هر { $count } حالت
words-weat-sampled = { $count } حالت تصادفی
words-weat-used = شمار واژه‌های X · Y · A · B
words-weat-axis = میانگین کسینوس با { $a } منهای همان با { $b }
words-axis-title = شغل‌ها میان he و she
words-axis-about = کسینوس هر شغل با جهت he به she (Bolukbasi و همکاران، ۲۰۱۶): مقدار مثبت یعنی سوی she.
words-axis-words = شغل‌ها
words-axis-value = کسینوس با she − he
words-axis-reading = نزدیک‌ترین شغل به she «{ $she }» ({ $she-value }) و نزدیک‌ترین شغل به he «{ $he }» ({ $he-value }) است؛ از { $total } شغل، { $count } شغل در سوی she جای دارد.
words-axis-pair = { $verdict ->
    [nearer] «{ $to }» ({ $to-value }) نزدیک‌تر از «{ $from }» ({ $from-value }) به she است؛ همان که گزارش در { $from } + she − he = { $to } دیده بود.
   *[farther] «{ $to }» ({ $to-value }) نزدیک‌تر از «{ $from }» ({ $from-value }) به she نیست، با آنکه در گزارش حاصل { $from } + she − he واژهٔ { $to } است.
 }
words-axis-pair-missing = از جفت گزارش، «{ $from }» و «{ $to }»، واژه‌ای در این مجموعه نیست.
words-axis-poles = در این مجموعه she یا he نیست، پس محوری هم نیست.

## ۷ درستی

words-accuracy-title = درستی روی پرسش‌های قیاس
words-accuracy-about = پرسش‌هایی به شکل «a به b مانند c است به d» از GloVe مرجع، که با 3CosAdd پاسخ داده می‌شوند. پرسشی شمرده می‌شود که هر چهار واژه‌اش در مجموعه باشد؛ شیوهٔ شمارش همان evaluate_word_analogies در gensim است.
words-accuracy-reading = از { $covered } پرسش پوشش‌یافته { $correct } پرسش درست پاسخ گرفته است: { $accuracy }. این { $coverage } همهٔ پرسش‌ها را می‌پوشاند. بهترین بخش «{ $best }» ({ $best-accuracy }) و ضعیف‌ترین «{ $worst }» ({ $worst-accuracy }) است.
words-accuracy-reading-among = میان { $words } واژهٔ نخست، از { $covered } پرسش پوشش‌یافته { $correct } پرسش درست پاسخ گرفته است: { $accuracy }. این { $coverage } همهٔ پرسش‌ها را می‌پوشاند. بهترین بخش «{ $best }» ({ $best-accuracy }) و ضعیف‌ترین «{ $worst }» ({ $worst-accuracy }) است.
words-accuracy-report = گزارش چنین عددی ندارد. این بخش برای سنجیدن مجموعه‌های بردار با یکدیگر است.
words-accuracy-stored = این نتیجه هنگام ساختن مجموعه ذخیره شده است. همین فرمان آن را تکرار می‌کند:
words-accuracy-repeat = این نتیجه را همین سرور از روی پرسش‌ها حساب کرده است. همان در پایانه:
words-accuracy-run = ارزیابی همین مجموعه
words-accuracy-run-note = برای مجموعه‌ای کوچک یکی دو ثانیه و برای صدها هزار واژه تا یک دقیقه طول می‌کشد. باقی صفحه‌ها در این میان پاسخ می‌دهند.
words-accuracy-computing = این مجموعه در حال ارزیابی است.
words-accuracy-again = دوباره ببینید
words-accuracy-absent = پرسش‌های قیاس روی این رایانه نیست، پس این مجموعه را نمی‌توان ارزیابی کرد. پرونده‌های متنی این پوشه را جایی بگذارید که سرور بیابد:
words-accuracy-frequent = میان { $words } واژهٔ پربسامدتر
words-accuracy-all = میان همهٔ { $words } واژه
words-accuracy-among-all = میان همهٔ واژه‌ها
words-accuracy-section = بخش
words-accuracy-questions = پرسیده
words-accuracy-covered = پوشش‌یافته
words-accuracy-coverage = ٪
words-accuracy-correct = درست
words-accuracy-percent = ٪
words-accuracy-ratio = درست/پوشش‌یافته
words-accuracy-accuracy = درستی
words-accuracy-total = همهٔ بخش‌ها
words-questions-capital-common-countries = پایتخت کشورهای پرنام
words-questions-capital-world = پایتخت‌های جهان
words-questions-city-in-state = شهرها و ایالت‌ها
words-questions-currency = واحدهای پول
words-questions-family = خانواده
words-questions-gram1-adjective-to-adverb = قیدها
words-questions-gram2-opposite = متضادها
words-questions-gram3-comparative = صفت تفضیلی
words-questions-gram4-superlative = صفت عالی
words-questions-gram5-present-participle = وجه وصفی حال
words-questions-gram6-nationality-adjective = ملیت‌ها
words-questions-gram7-past-tense = زمان گذشته
words-questions-gram8-plural = جمع نام‌ها
words-questions-gram9-plural-verbs = جمع فعل‌ها

## خطاهای کنار هر خانه

words-error-k = تعداد باید عددی درست از ۱ تا { $limit } باشد.
words-error-choice = باید یکی از این‌ها باشد: { $choices }.
words-error-perplexity = سرگشتگی باید عددی از ۱ تا { $limit } باشد.
words-error-seed = هستهٔ تصادفی باید عددی درست از ۰ تا { $limit } باشد.
words-error-pair = «{ $text }» یک جفت واژه نیست.
words-error-triple = «{ $text }» یک سه‌تایی واژه نیست.
words-error-both = واژهٔ «{ $word }» در X هم هست؛ هر واژه باید تنها در یکی از این دو باشد.
words-error-empty = دست‌کم یک واژه بنویسید.
words-error-many = یک‌باره حداکثر { $limit } مورد پذیرفته می‌شود؛ شما { $count } مورد داده‌اید.
words-error-long = این متن { $count } نویسه دارد؛ حداکثر { $limit } نویسه پذیرفته می‌شود.
