# آنچه گرد هر صفحه است.

skip-to-content = رفتن به متن اصلی
nav-label = بخش‌ها
nav-overview = نمای کلی
nav-words = واژه‌ها
nav-triplet = شبکهٔ سه‌گانه
nav-skin = ضایعات پوستی
nav-fashion = پرسپترون تنظیم‌شده
nav-report = گزارش
nav-runs = اجراها
nav-runs-active = در جریان
nav-datasets = مجموعه‌داده‌ها
nav-api = رابط برنامه‌نویسی
preferences-label = زبان و رنگ‌ها
language-label = زبان
theme-label = رنگ‌ها
theme-system = سیستم
theme-light = روشن
theme-dark = تیره
footer-note = هر عدد در این صفحه‌ها را یا همین برنامه محاسبه کرده یا از گزارش درس نقل شده است، و کنار آن نوشته‌ایم کدام.

error-400 = این درخواست فهمیده نشد
error-401 = نخست وارد شوید
error-403 = با نقش شما ممکن نیست
error-404 = چیزی در این نشانی نیست
error-405 = با این روش نمی‌شود
error-408 = بیش از اندازه طول کشید
error-409 = در این وضعیت شدنی نیست
error-413 = بیش از اندازه بزرگ است
error-415 = نوع محتوا آن نیست که انتظار می‌رفت
error-421 = نه با این نام
error-422 = بخشی از درخواست به‌کار نمی‌آید
error-429 = بیش از اندازه
error-500 = خطایی رخ داد
error-503 = در این لحظه ممکن نیست
error-suggestions = نوشتارهای نزدیک:
error-home = رفتن به نمای کلی
