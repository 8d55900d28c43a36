"""India, Korea, Indonesia, Thailand, the Philippines and Japan: cities, names and streets. Data only.

No regulator here keeps numbers for fiction. The patterns lie in ranges from which, as far as is published, no
operator has been given any."""

from decimal import Decimal

from doorstep_demo.country import Country, Names, alike, city, equally

INDIA = Country(
    code="IN",
    clock="Asia/Kolkata",
    language="en",
    currency="INR",
    rate=Decimal(5),
    step=Decimal("0.01"),
    cities=(
        city("Mumbai", "IN-MH", "Asia/Kolkata", (19.0760, 72.8777), 10, "Andheri East", "Borivali", "Chembur"),
        city("New Delhi", "IN-DL", "Asia/Kolkata", (28.6139, 77.2090), 9, "Lajpat Nagar", "Dwarka", "Rohini"),
        city("Bengaluru", "IN-KA", "Asia/Kolkata", (12.9716, 77.5946), 8, "Jayanagar", "Whitefield"),
        city("Hyderabad", "IN-TG", "Asia/Kolkata", (17.3850, 78.4867), 6, "Kukatpally", "Begumpet"),
        city("Chennai", "IN-TN", "Asia/Kolkata", (13.0827, 80.2707), 6, "Adyar", "Velachery"),
        city("Kolkata", "IN-WB", "Asia/Kolkata", (22.5726, 88.3639), 5, "Salt Lake", "Behala"),
        city("Jaipur", "IN-RJ", "Asia/Kolkata", (26.9124, 75.7873), 3, "Malviya Nagar", "Vaishali Nagar"),
    ),
    names=Names(
        women=("Ananya", "Deepa", "Fatima", "Kavya", "Lakshmi", "Meera", "Neha", "Pooja", "Priya", "Sunita"),
        men=("Amit", "Arjun", "Imran", "Karthik", "Manoj", "Rahul", "Rajesh", "Sandeep", "Suresh", "Vikram"),
        surnames=equally(
            *("Agarwal", "Banerjee", "Chatterjee", "Das", "Gupta", "Iyer", "Joshi", "Khan", "Kulkarni", "Mehta"),
            *("Menon", "Nair", "Patel", "Rao", "Reddy", "Sharma", "Singh", "Verma", "Yadav", "Pillai"),
        ),
    ),
    phones=tuple(f"+91 605{block} 00 ####" for block in range(10)),
    streets=alike("MG Road", "Station Road", "Gandhi Marg", "Temple Street", "4th Cross", "Market Road"),
    estates=alike("Shanti Apartments", "Green Park Residency", "Sai Krupa", "Lotus Heights"),
    address={"en": "Flat {room}, {estate}, {number} {street}, {district}, {city}"},
    agencies=("Samadhan Services", "Vishwas Field Services"),
)

KOREA = Country(
    code="KR",
    clock="Asia/Seoul",
    language="en",
    currency="KRW",
    rate=Decimal(180),
    step=Decimal(1),
    cities=(
        city("Seoul", "KR-11", "Asia/Seoul", (37.5665, 126.9780), 12, "Mapo-gu", "Gangseo-gu", "Nowon-gu"),
        city("Busan", "KR-26", "Asia/Seoul", (35.1796, 129.0756), 6, "Haeundae-gu", "Saha-gu"),
        city("Incheon", "KR-28", "Asia/Seoul", (37.4563, 126.7052), 5, "Bupyeong-gu", "Namdong-gu"),
        city("Daegu", "KR-27", "Asia/Seoul", (35.8714, 128.6014), 4, "Suseong-gu", "Dalseo-gu"),
        city("Daejeon", "KR-30", "Asia/Seoul", (36.3504, 127.3845), 3, "Yuseong-gu", "Seo-gu"),
        city("Gwangju", "KR-29", "Asia/Seoul", (35.1595, 126.8526), 3, "Buk-gu", "Gwangsan-gu"),
    ),
    names=Names(
        women=("Ji-woo", "Seo-yeon", "Min-ji", "Su-bin", "Ha-eun", "Yoon-seo", "Eun-jung", "Mi-kyung", "Ye-jin"),
        men=("Min-jun", "Seo-jun", "Ji-hoon", "Do-yun", "Hyun-woo", "Sung-min", "Young-ho", "Jae-won", "Tae-yang"),
        surnames={
            **{"Kim": 21, "Lee": 15, "Park": 8, "Choi": 5, "Jung": 4, "Kang": 2, "Cho": 2, "Yoon": 2, "Jang": 2},
            **equally("Lim", "Han", "Oh", "Seo", "Shin", "Kwon", "Hwang", "Ahn", "Song"),
        },
        surname_first=True,
    ),
    phones=tuple(f"+82 10 0{block:03} ####" for block in range(10)),
    streets=alike("Sejong-daero", "Jungang-ro", "Hangang-daero", "Daehak-ro", "Saemal-gil"),
    estates=alike("Hanbit Apartment", "Pureun Town", "Gaenari Village"),
    address={"en": "{block}-{room}, {estate}, {number} {street}, {district}, {city}"},
    agencies=("Hanmaeum Credit", "Bareun Services"),
)

INDONESIA = Country(
    code="ID",
    clock="Asia/Jakarta",
    language="en",
    currency="IDR",
    rate=Decimal(1600),
    step=Decimal(1),
    cities=(
        city("Jakarta", "ID-JK", "Asia/Jakarta", (-6.2088, 106.8456), 10, "Tebet", "Kemayoran", "Cengkareng"),
        city("Bandung", "ID-JB", "Asia/Jakarta", (-6.9175, 107.6191), 5, "Coblong", "Lengkong"),
        city("Surabaya", "ID-JI", "Asia/Jakarta", (-7.2575, 112.7521), 6, "Gubeng", "Wonokromo"),
        city("Medan", "ID-SU", "Asia/Jakarta", (3.5952, 98.6722), 4, "Medan Baru", "Medan Helvetia"),
        city("Pontianak", "ID-KB", "Asia/Pontianak", (-0.0263, 109.3425), 2, "Pontianak Kota", "Pontianak Selatan"),
        city("Denpasar", "ID-BA", "Asia/Makassar", (-8.6705, 115.2126), 3, "Denpasar Barat", "Denpasar Timur"),
        city("Makassar", "ID-SN", "Asia/Makassar", (-5.1477, 119.4327), 4, "Panakkukang", "Rappocini"),
        city("Jayapura", "ID-PA", "Asia/Jayapura", (-2.5916, 140.6690), 2, "Abepura", "Heram"),
    ),
    names=Names(
        women=("Ayu", "Dewi", "Fitri", "Indah", "Kartika", "Lestari", "Maya", "Nurul", "Putri", "Siti"),
        men=("Adi", "Agus", "Bambang", "Budi", "Dimas", "Eko", "Hendra", "Joko", "Rizky", "Wayan"),
        surnames=equally(
            *("Gunawan", "Halim", "Hidayat", "Kusuma", "Lubis", "Nasution", "Nugroho", "Permana", "Pratama"),
            *("Saputra", "Setiawan", "Simanjuntak", "Siregar", "Suryadi", "Susanto", "Wibowo", "Wijaya"),
        ),
    ),
    phones=tuple(f"+62 824 {block:04} ####" for block in range(10)),
    streets=alike("Jl. Merdeka", "Jl. Sudirman", "Jl. Diponegoro", "Jl. Melati", "Jl. Kenanga", "Jl. Pahlawan"),
    address={"en": "{street} No. {number}, RT {block}, {district}, {city}"},
    agencies=("Mitra Amanah", "Bina Solusi"),
)

THAILAND = Country(
    code="TH",
    clock="Asia/Bangkok",
    language="en",
    currency="THB",
    rate=Decimal(4),
    step=Decimal("0.01"),
    cities=(
        city("Bangkok", "TH-10", "Asia/Bangkok", (13.7563, 100.5018), 12, "Bang Kapi", "Chatuchak", "Lat Phrao"),
        city("Nonthaburi", "TH-12", "Asia/Bangkok", (13.8621, 100.5144), 4, "Bang Yai", "Pak Kret"),
        city("Chiang Mai", "TH-50", "Asia/Bangkok", (18.7883, 98.9853), 4, "Mueang", "Hang Dong"),
        city("Khon Kaen", "TH-40", "Asia/Bangkok", (16.4322, 102.8236), 3, "Mueang", "Ban Phai"),
        city("Hat Yai", "TH-90", "Asia/Bangkok", (7.0086, 100.4747), 3, "Kho Hong", "Khuan Lang"),
    ),
    names=Names(
        women=("Anong", "Chanida", "Kanya", "Malee", "Napaporn", "Ploy", "Ratana", "Siriporn", "Wanida"),
        men=("Anan", "Chai", "Kittisak", "Narong", "Prasert", "Somchai", "Surasak", "Thanawat", "Wichai"),
        surnames=equally(
            *("Boonmee", "Chaiyasit", "Charoensuk", "Kaewmanee", "Phromsri", "Rattanakul", "Saelim", "Saetang"),
            *("Sangthong", "Srisuk", "Suwannarat", "Thongchai", "Wongsawat", "Yodsri"),
        ),
    ),
    phones=tuple(f"+66 60 {block:03} ####" for block in range(10)),
    streets=alike("Sukhumvit Road", "Phahonyothin Road", "Rama IV Road", "Nimman Road", "Mittraphap Road"),
    address={"en": "{number}/{block} {street}, {district}, {city}"},
    agencies=("Siam Dialogue", "Ruamjai Services"),
)

PHILIPPINES = Country(
    code="PH",
    clock="Asia/Manila",
    language="en",
    currency="PHP",
    rate=Decimal(6),
    step=Decimal("0.01"),
    cities=(
        city("Quezon City", "PH-00", "Asia/Manila", (14.6760, 121.0437), 9, "Cubao", "Novaliches", "Diliman"),
        city("Manila", "PH-00", "Asia/Manila", (14.5995, 120.9842), 8, "Sampaloc", "Tondo", "Malate"),
        city("Cebu City", "PH-CEB", "Asia/Manila", (10.3157, 123.8854), 5, "Lahug", "Mabolo"),
        city("Davao City", "PH-DAS", "Asia/Manila", (7.1907, 125.4553), 4, "Buhangin", "Talomo"),
        city("Iloilo City", "PH-ILI", "Asia/Manila", (10.7202, 122.5621), 3, "Jaro", "Molo"),
    ),
    names=Names(
        women=("Angelica", "Carmela", "Cristina", "Grace", "Jasmine", "Joy", "Maricel", "Rosario", "Teresa"),
        men=("Antonio", "Carlo", "Emmanuel", "Jerome", "Jose", "Mark", "Miguel", "Ramon", "Rodel"),
        surnames=equally(
            *("Aquino", "Bautista", "Castillo", "Cruz", "Dela Cruz", "Flores", "Garcia", "Gonzales", "Mendoza"),
            *("Navarro", "Ramos", "Reyes", "Santos", "Torres", "Villanueva"),
        ),
    ),
    phones=tuple(f"+63 911 {block:03} ####" for block in range(10)),
    streets=alike("Rizal Street", "Mabini Street", "Bonifacio Avenue", "Luna Street", "Kamagong Street"),
    address={"en": "Unit {room}, {number} {street}, {district}, {city}"},
    agencies=("Bayanihan Services", "Tulay Resolution"),
)

JAPAN = Country(
    code="JP",
    clock="Asia/Tokyo",
    language="en",
    currency="JPY",
    rate=Decimal(20),
    step=Decimal(1),
    cities=(
        city("Tokyo", "JP-13", "Asia/Tokyo", (35.6764, 139.6500), 12, "Nerima", "Edogawa", "Suginami"),
        city("Osaka", "JP-27", "Asia/Tokyo", (34.6937, 135.5023), 7, "Joto", "Sumiyoshi"),
        city("Nagoya", "JP-23", "Asia/Tokyo", (35.1815, 136.9066), 5, "Chikusa", "Midori"),
        city("Sapporo", "JP-01", "Asia/Tokyo", (43.0618, 141.3545), 4, "Toyohira", "Kita"),
        city("Fukuoka", "JP-40", "Asia/Tokyo", (33.5902, 130.4017), 4, "Hakata", "Sawara"),
        city("Sendai", "JP-04", "Asia/Tokyo", (38.2682, 140.8694), 3, "Aoba", "Taihaku"),
    ),
    names=Names(
        women=("Akiko", "Emi", "Haruka", "Keiko", "Mai", "Misaki", "Naomi", "Sakura", "Yoko", "Yui"),
        men=("Daisuke", "Haruto", "Hiroshi", "Kenji", "Kenta", "Makoto", "Ren", "Shota", "Takashi", "Yuki"),
        surnames=equally(
            *("Sato", "Suzuki", "Takahashi", "Tanaka", "Watanabe", "Ito", "Yamamoto", "Nakamura", "Kobayashi"),
            *("Kato", "Yoshida", "Yamada", "Sasaki", "Matsumoto", "Inoue", "Kimura", "Hayashi", "Shimizu"),
        ),
    ),
    phones=tuple(f"+81 {area} 1{block:03} ####" for block in range(5) for area in (3, 6)),
    streets=alike("Honcho", "Sakuracho", "Midoricho", "Asahicho", "Nakamachi"),
    estates=alike("Sakura Heights", "Corpo Aoi", "Maison Hikari", "Green Heim"),
    address={"en": "{estate} {room}, {block}-{number} {street}, {district}, {city}"},
    agencies=("Anshin Partners", "Wakai Services"),
)
