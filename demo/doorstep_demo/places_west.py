"""The United States, the United Kingdom, Russia and Australia: cities, names and streets. Data only.

Where a regulator keeps numbers for fiction (555-01xx, Ofcom's drama numbers, ACMA's), they are those."""

from decimal import Decimal

from doorstep_demo.country import Country, Names, alike, city, equally

_AREA_CODES = (
    "201 202 203 205 206 207 208 209 210 212 213 214 215 216 217 218 219 224 225 228 229 231 234 239 240 248 251 252"
    " 253 254 256 260 262 267 269 270 276 281 301 302 303 304 305 307 308 309 310 312 313 314 315 316 317 318 319 320"
    " 321 323 325 330 331 334 336 337 339 347 351 352 360 361 386 401 402 404 405 406 407 408 409 410 412 413 414 415"
    " 417 419 423 424 425 430 432 434 435 440 443 469 470 478 479 480 484 501 502 503 504 505 507 508 509 510 512 513"
    " 515 516 517 518 520 530 540 541 551 559 561 562 563 567 570 571 573 574 575 580 585 586 601 602 603 605 606 607"
    " 608 609 610 612 614 615 616 617 618 619 620 623 626 630 631 636 641 646 650 651 660 661 662 678 682 701 702 703"
    " 704 706 707 708 712 713 714 715 716 717 718 719 720 724 727 731 732 734 740 754 757 760 763 765 770 772 773 774"
    " 775 781 785 786 801 802 803 804 805 806 808 810 812 813 814 815 816 817 818 828 830 831 832 843 845 847 848 850"
    " 856 857 858 859 860 862 863 864 865 870 901 903 904 906 907 908 909 910 912 913 914 915 916 917 918 919 920 925"
    " 928 931 936 937 940 941 947 949 951 952 954 956 959 970 971 972 973 978 979 980 985 989"
)

UNITED_STATES = Country(
    code="US",
    clock="America/New_York",
    language="en",
    currency="USD",
    rate=Decimal("0.14"),
    step=Decimal("0.01"),
    cities=(
        city("New York, NY", "US-NY", "America/New_York", (40.7128, -74.0060), 10, "Astoria", "Bay Ridge", "Harlem"),
        city("Philadelphia, PA", "US-PA", "America/New_York", (39.9526, -75.1652), 5, "Fishtown", "Germantown"),
        city("Atlanta, GA", "US-GA", "America/New_York", (33.7490, -84.3880), 5, "Kirkwood", "West End"),
        city("Miami, FL", "US-FL", "America/New_York", (25.7617, -80.1918), 5, "Allapattah", "Little Havana"),
        city("Detroit, MI", "US-MI", "America/Detroit", (42.3314, -83.0458), 3, "Corktown", "Bagley"),
        city("Chicago, IL", "US-IL", "America/Chicago", (41.8781, -87.6298), 8, "Pilsen", "Uptown", "Englewood"),
        city("Houston, TX", "US-TX", "America/Chicago", (29.7604, -95.3698), 8, "Alief", "Sharpstown", "Montrose"),
        city("Nashville, TN", "US-TN", "America/Chicago", (36.1627, -86.7816), 3, "Antioch", "Donelson"),
        city("El Paso, TX", "US-TX", "America/Denver", (31.7619, -106.4850), 2, "Segundo Barrio", "Ysleta"),
        city("Denver, CO", "US-CO", "America/Denver", (39.7392, -104.9903), 5, "Five Points", "Montbello"),
        city("Boise, ID", "US-ID", "America/Boise", (43.6150, -116.2023), 2, "Vista", "North End"),
        city("Phoenix, AZ", "US-AZ", "America/Phoenix", (33.4484, -112.0740), 5, "Maryvale", "Encanto"),
        city("Los Angeles, CA", "US-CA", "America/Los_Angeles", (34.0522, -118.2437), 9, "Boyle Heights", "Reseda"),
        city("Seattle, WA", "US-WA", "America/Los_Angeles", (47.6062, -122.3321), 4, "Ballard", "Rainier Beach"),
        city("Anchorage, AK", "US-AK", "America/Anchorage", (61.2181, -149.9003), 1, "Spenard", "Mountain View"),
        city("Honolulu, HI", "US-HI", "Pacific/Honolulu", (21.3069, -157.8583), 2, "Kalihi", "Makiki"),
    ),
    names=Names(
        women=(
            "Ashley",
            "Brenda",
            "Carla",
            "Denise",
            "Emily",
            "Fatima",
            "Grace",
            "Keisha",
            "Linda",
            "Maria",
            "Tiffany",
        ),
        men=("Andre", "Brian", "Carlos", "David", "Eric", "Hector", "James", "Kevin", "Luis", "Marcus", "Tyler"),
        surnames=equally(
            *("Anderson", "Brooks", "Carter", "Davis", "Flores", "Garcia", "Hill", "Jackson", "Johnson", "Lopez"),
            *("Miller", "Nguyen", "Reed", "Rivera", "Smith", "Thompson", "Walker", "Williams", "Wilson", "Wright"),
        ),
    ),
    phones=tuple(f"+1 {area} 555 01##" for area in _AREA_CODES.split()),
    streets=alike("Maple Street", "Oak Avenue", "Cedar Lane", "Washington Street", "Park Avenue", "2nd Street"),
    address={"en": "{number} {street}, Apt {room}, {district}, {city}"},
    agencies=("Harbor Resolution", "Lakeside Recovery"),
)

UNITED_KINGDOM = Country(
    code="GB",
    clock="Europe/London",
    language="en",
    currency="GBP",
    rate=Decimal("0.12"),
    step=Decimal("0.01"),
    cities=(
        city("London", "GB-LND", "Europe/London", (51.5072, -0.1276), 12, "Tottenham", "Croydon", "Walthamstow"),
        city("Birmingham", "GB-BIR", "Europe/London", (52.4862, -1.8904), 6, "Erdington", "Selly Oak"),
        city("Manchester", "GB-MAN", "Europe/London", (53.4808, -2.2426), 6, "Levenshulme", "Didsbury"),
        city("Leeds", "GB-LDS", "Europe/London", (53.8008, -1.5491), 4, "Headingley", "Beeston"),
        city("Bristol", "GB-BST", "Europe/London", (51.4545, -2.5879), 3, "Bedminster", "Easton"),
        city("Glasgow", "GB-GLG", "Europe/London", (55.8642, -4.2518), 4, "Govan", "Dennistoun"),
        city("Cardiff", "GB-CRF", "Europe/London", (51.4816, -3.1791), 3, "Canton", "Splott"),
        city("Belfast", "GB-BFS", "Europe/London", (54.5973, -5.9301), 3, "Ormeau", "Falls"),
    ),
    names=Names(
        women=(
            "Aisha",
            "Bethan",
            "Charlotte",
            "Eilidh",
            "Emma",
            "Hannah",
            "Lucy",
            "Megan",
            "Priya",
            "Rachel",
            "Sophie",
        ),
        men=("Adam", "Callum", "Daniel", "Gareth", "Harry", "Imran", "Jack", "Liam", "Oliver", "Ryan", "Thomas"),
        surnames=equally(
            *("Ahmed", "Baker", "Campbell", "Clarke", "Davies", "Evans", "Green", "Hughes", "Jones", "Khan"),
            *("MacDonald", "Murray", "Patel", "Roberts", "Robinson", "Smith", "Taylor", "Walker", "Wilson", "Wood"),
        ),
    ),
    phones=(
        *(f"+44 {area} 496 0###" for area in (161, 121, 113, 114, 116, 117, 118, 131, 141, 151)),
        *("+44 20 7946 0###", "+44 29 2018 0###", "+44 28 9649 6###", "+44 191 498 0###"),
    ),
    streets=alike("High Street", "Station Road", "Church Lane", "Victoria Road", "Mill Lane", "Queens Terrace"),
    address={"en": "Flat {block}, {number} {street}, {district}, {city}"},
    agencies=("Northgate Field Services", "Albion Resolution"),
)

RUSSIA = Country(
    code="RU",
    clock="Europe/Moscow",
    language="en",
    currency="RUB",
    rate=Decimal(10),
    step=Decimal("0.01"),
    cities=(
        city("Kaliningrad", "RU-KGD", "Europe/Kaliningrad", (54.7104, 20.4522), 2, "Leningradsky", "Moskovsky"),
        city("Moscow", "RU-MOW", "Europe/Moscow", (55.7558, 37.6173), 12, "Maryino", "Strogino", "Butovo"),
        city("Saint Petersburg", "RU-SPE", "Europe/Moscow", (59.9343, 30.3351), 7, "Kupchino", "Primorsky"),
        city("Samara", "RU-SAM", "Europe/Samara", (53.1959, 50.1008), 3, "Leninsky", "Oktyabrsky"),
        city("Yekaterinburg", "RU-SVE", "Asia/Yekaterinburg", (56.8389, 60.6057), 4, "Uralmash", "Botanika"),
        city("Omsk", "RU-OMS", "Asia/Omsk", (54.9885, 73.3242), 2, "Sovetsky", "Kirovsky"),
        city("Novosibirsk", "RU-NVS", "Asia/Novosibirsk", (55.0084, 82.9357), 4, "Akademgorodok", "Kalininsky"),
        city("Krasnoyarsk", "RU-KYA", "Asia/Krasnoyarsk", (56.0153, 92.8932), 3, "Sverdlovsky", "Zheleznodorozhny"),
        city("Irkutsk", "RU-IRK", "Asia/Irkutsk", (52.2870, 104.3050), 2, "Sverdlovsky", "Leninsky"),
        city("Yakutsk", "RU-SA", "Asia/Yakutsk", (62.0355, 129.6755), 1, "Gubinsky", "Saysarsky"),
        city("Vladivostok", "RU-PRI", "Asia/Vladivostok", (43.1155, 131.8855), 2, "Leninsky", "Pervomaysky"),
    ),
    names=Names(
        women=("Anna", "Darya", "Ekaterina", "Elena", "Irina", "Maria", "Natalia", "Olga", "Svetlana", "Tatiana"),
        men=("Alexey", "Andrey", "Dmitry", "Ivan", "Maxim", "Mikhail", "Nikolay", "Pavel", "Sergey", "Vladimir"),
        surnames=equally(
            *(
                "Ivanov",
                "Smirnov",
                "Kuznetsov",
                "Popov",
                "Sokolov",
                "Lebedev",
                "Kozlov",
                "Novikov",
                "Morozov",
                "Petrov",
            ),
            *("Volkov", "Solovyov", "Vasilyev", "Zaytsev", "Pavlov", "Semyonov", "Golubev", "Vinogradov", "Orlov"),
        ),
        feminine="a",
    ),
    phones=tuple(f"+7 947 {block:03} ## ##" for block in range(10)),
    streets=alike("Lenina Street", "Sadovaya Street", "Mira Avenue", "Sovetskaya Street", "Gagarina Street"),
    address={"en": "{street} {number}, bld. {block}, apt. {room}, {district}, {city}"},
    agencies=("Garant Dialog", "Soglasie"),
)

AUSTRALIA = Country(
    code="AU",
    clock="Australia/Sydney",
    language="en",
    currency="AUD",
    rate=Decimal("0.2"),
    step=Decimal("0.01"),
    cities=(
        city("Sydney NSW", "AU-NSW", "Australia/Sydney", (-33.8688, 151.2093), 9, "Marrickville", "Parramatta"),
        city("Melbourne VIC", "AU-VIC", "Australia/Melbourne", (-37.8136, 144.9631), 9, "Footscray", "Preston"),
        city("Brisbane QLD", "AU-QLD", "Australia/Brisbane", (-27.4698, 153.0251), 6, "Annerley", "Chermside"),
        city("Hobart TAS", "AU-TAS", "Australia/Hobart", (-42.8821, 147.3272), 2, "Glenorchy", "Moonah"),
        city("Adelaide SA", "AU-SA", "Australia/Adelaide", (-34.9285, 138.6007), 4, "Norwood", "Prospect"),
        city("Darwin NT", "AU-NT", "Australia/Darwin", (-12.4634, 130.8456), 1, "Casuarina", "Nightcliff"),
        city("Perth WA", "AU-WA", "Australia/Perth", (-31.9523, 115.8613), 5, "Bayswater", "Morley"),
    ),
    names=Names(
        women=("Amelia", "Chloe", "Georgia", "Isla", "Jessica", "Kylie", "Matilda", "Mei", "Olivia", "Zoe"),
        men=("Angus", "Bradley", "Cooper", "Darren", "Ethan", "Jarrod", "Lachlan", "Mitchell", "Noah", "Sanjay"),
        surnames=equally(
            *("Brown", "Campbell", "Collins", "Edwards", "Fraser", "Kelly", "Lee", "Mitchell", "Morrison", "Nguyen"),
            *("O'Brien", "Papadopoulos", "Rossi", "Ryan", "Singh", "Smith", "Taylor", "Thompson", "Walsh", "Zhang"),
        ),
    ),
    phones=tuple(f"+61 {area} {block} ####" for area in (2, 3, 7, 8) for block in (5550, 7010)),
    streets=alike("George Street", "Railway Parade", "Bourke Street", "Wattle Avenue", "Kings Road"),
    address={"en": "{block}/{number} {street}, {district}, {city}"},
    agencies=("Southern Cross Resolution", "Banksia Field Services"),
)
