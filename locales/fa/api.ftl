api-title = رابط برنامه‌نویسی
api-lead = JSON روی HTTP، برای کسانی که اسکریپت می‌نویسند. همین‌ها به‌شکل سند OpenAPI:
api-problems = خطاها «شرح مشکل» (RFC 9457) هستند: type، title، status و detail؛ برای ورودی نادرست نام فیلد هم، و برای واژهٔ ناشناخته نوشتارهای نزدیک.
api-problems-title = خطاها
api-contents = نشانی‌ها
