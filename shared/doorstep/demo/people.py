"""Invented people: names, homes and telephone numbers that nobody has.

Every draw comes from a `random.Random` that is named by what it is drawn for, so that no person depends
on how many were made before. Numbers lie in blocks (19x 0000 ....) that no operator hands out.
"""

from dataclasses import dataclass
from random import Random

from doorstep.events.common import Language


@dataclass(frozen=True)
class City:
    """A real city: its place, and districts that lie in it."""

    zh: str
    en: str
    region: str
    latitude: float
    longitude: float
    weight: int
    districts: tuple[tuple[str, str], ...]
    time_zone: str = "Asia/Shanghai"


@dataclass(frozen=True)
class Home:
    """Where somebody lives. Coordinates are in decimal degrees."""

    city: City
    address: str
    latitude: float
    longitude: float


def name(draw: Random, language: Language, surname: str | None = None) -> str:
    """A full name; with `surname` a member of that family."""
    if language == "en":
        return f"{draw.choice(_ENGLISH_GIVEN)} {surname or draw.choice(_ENGLISH_SURNAMES)}"
    characters = draw.choice((_FEMALE, _MALE))
    given = draw.choice(characters)
    if draw.random() < 0.82:
        given = draw.choice(_MIDDLE) + given
    return (surname or surname_of(draw)) + given


def surname_of(draw: Random) -> str:
    """A Chinese surname, as frequent as it is."""
    return draw.choices(tuple(_SURNAMES), tuple(_SURNAMES.values()))[0]


def home(draw: Random, language: Language) -> Home:
    """A home in a real district, on a street as every city has one, at a house that is invented."""
    city = draw.choices(CITIES, [city.weight for city in CITIES])[0]
    district, district_en = draw.choice(city.districts)
    street, street_en = draw.choice(_STREETS)
    estate, estate_en = draw.choice(_ESTATES)
    number, block = draw.randint(2, 398), draw.randint(1, 16)
    room = f"{draw.randint(1, 26)}{draw.randint(1, 4):02}"
    if language == "en":
        house = f"Room {room}, Block {block}, {estate_en}, {number} {street_en}"
        address = f"{house}, {district_en}, {city.en}"
    else:
        address = f"{city.zh}{district}{street}{number}号{estate}{block}栋{room}室"
    latitude, longitude = (round(at + draw.uniform(-0.06, 0.06), 5) for at in (city.latitude, city.longitude))
    return Home(city, address, latitude, longitude)


def phone(number: int) -> str:
    """The `number`-th telephone number, from 0; different numbers up to 70 million."""
    # 7,919 shares no factor with 10,000: neighbours do not look like neighbours, and none comes twice.
    block, within = divmod(number, 10_000)
    middle, prefix = divmod(block, len(_PREFIXES))
    return f"+86 {_PREFIXES[prefix]} {middle:04} {within * 7_919 % 10_000:04}"


_PREFIXES = ("199", "198", "195", "193", "191", "190", "197")

CITIES = (
    City("广东省深圳市", "Shenzhen", "CN-GD", 22.5446, 114.0545, 10, (
        ("南山区", "Nanshan District"), ("福田区", "Futian District"), ("龙岗区", "Longgang District"),
        ("宝安区", "Bao'an District"))),
    City("广东省广州市", "Guangzhou", "CN-GD", 23.1291, 113.2644, 9, (
        ("天河区", "Tianhe District"), ("越秀区", "Yuexiu District"), ("番禺区", "Panyu District"))),
    City("上海市", "Shanghai", "CN-SH", 31.2304, 121.4737, 10, (
        ("浦东新区", "Pudong New Area"), ("徐汇区", "Xuhui District"), ("闵行区", "Minhang District"),
        ("杨浦区", "Yangpu District"))),
    City("北京市", "Beijing", "CN-BJ", 39.9042, 116.4074, 8, (
        ("朝阳区", "Chaoyang District"), ("海淀区", "Haidian District"), ("丰台区", "Fengtai District"))),
    City("浙江省杭州市", "Hangzhou", "CN-ZJ", 30.2741, 120.1551, 7, (
        ("西湖区", "Xihu District"), ("滨江区", "Binjiang District"), ("余杭区", "Yuhang District"))),
    City("四川省成都市", "Chengdu", "CN-SC", 30.5728, 104.0668, 8, (
        ("武侯区", "Wuhou District"), ("锦江区", "Jinjiang District"), ("成华区", "Chenghua District"))),
    City("湖北省武汉市", "Wuhan", "CN-HB", 30.5928, 114.3055, 7, (
        ("洪山区", "Hongshan District"), ("江汉区", "Jianghan District"), ("武昌区", "Wuchang District"))),
    City("江苏省南京市", "Nanjing", "CN-JS", 32.0603, 118.7969, 6, (
        ("鼓楼区", "Gulou District"), ("建邺区", "Jianye District"), ("江宁区", "Jiangning District"))),
    City("重庆市", "Chongqing", "CN-CQ", 29.5630, 106.5516, 6, (
        ("渝北区", "Yubei District"), ("江北区", "Jiangbei District"), ("南岸区", "Nan'an District"))),
    City("陕西省西安市", "Xi'an", "CN-SN", 34.3416, 108.9398, 5, (
        ("雁塔区", "Yanta District"), ("未央区", "Weiyang District"), ("碑林区", "Beilin District"))),
    City("湖南省长沙市", "Changsha", "CN-HN", 28.2282, 112.9388, 5, (
        ("岳麓区", "Yuelu District"), ("雨花区", "Yuhua District"), ("开福区", "Kaifu District"))),
    City("山东省青岛市", "Qingdao", "CN-SD", 36.0671, 120.3826, 4, (
        ("市南区", "Shinan District"), ("崂山区", "Laoshan District"))),
    City("辽宁省沈阳市", "Shenyang", "CN-LN", 41.8057, 123.4315, 4, (
        ("和平区", "Heping District"), ("沈河区", "Shenhe District"))),
    City("福建省厦门市", "Xiamen", "CN-FJ", 24.4798, 118.0894, 4, (
        ("思明区", "Siming District"), ("湖里区", "Huli District"))),
    City("新疆维吾尔自治区乌鲁木齐市", "Urumqi", "CN-XJ", 43.8256, 87.6168, 2, (
        ("天山区", "Tianshan District"), ("沙依巴克区", "Saybagh District")), "Asia/Urumqi"),
)  # fmt: skip

_STREETS = (
    ("人民路", "Renmin Road"),
    ("中山路", "Zhongshan Road"),
    ("解放路", "Jiefang Road"),
    ("建设路", "Jianshe Road"),
    ("和平路", "Heping Road"),
    ("文化路", "Wenhua Road"),
    ("新华路", "Xinhua Road"),
    ("滨江路", "Binjiang Road"),
    ("创业路", "Chuangye Road"),
    ("学府路", "Xuefu Road"),
)
_ESTATES = (
    ("海棠花园", "Begonia Gardens"),
    ("阳光家园", "Sunshine Homes"),
    ("翠湖雅苑", "Emerald Lake Court"),
    ("金桂苑", "Osmanthus Court"),
    ("丽景小区", "Lijing Estate"),
    ("东方名居", "Orient Residence"),
    ("枫林小区", "Maple Wood Estate"),
    ("康宁里", "Kangning Lane"),
    ("望江公寓", "Riverview Apartments"),
    ("春晓新村", "Spring Dawn Village"),
)
_SURNAMES = {
    "王": 72, "李": 71, "张": 68, "刘": 54, "陈": 46, "杨": 31, "黄": 22, "赵": 21, "吴": 20, "周": 20,
    "徐": 15, "孙": 15, "马": 13, "朱": 12, "胡": 12, "郭": 12, "何": 11, "林": 11, "高": 10, "罗": 10,
    "郑": 9, "梁": 9, "谢": 8, "宋": 7, "唐": 7, "许": 7, "韩": 6, "邓": 6, "冯": 6, "曹": 6,
    "彭": 5, "曾": 5, "肖": 5, "田": 5, "董": 5, "潘": 4, "蒋": 4, "蔡": 4, "余": 4, "杜": 4,
    "叶": 4, "程": 4, "苏": 4, "魏": 4, "吕": 4, "丁": 4, "沈": 3, "欧阳": 1, "上官": 1,
}  # fmt: skip
_MIDDLE = "子雨佳思文嘉晓志海俊天宇建国永春小玉秀美丽晨欣雅若诗梓浩泽明家德"
_FEMALE = "静怡婷娜芳敏丽娟艳萍玲倩琳莹雪慧洁欣妍岚燕兰梅霞悦瑶涵彤"
_MALE = "伟强磊军洋勇杰涛超鹏辉斌波峰刚龙凯浩宁东亮平林辰轩博毅然"
_ENGLISH_GIVEN = (
    "Daniel", "Sarah", "Michael", "Emma", "Oliver", "Grace", "Thomas", "Priya", "Lucas", "Hannah",
    "Samuel", "Nadia", "Peter", "Julia", "Marcus", "Elena", "Victor", "Amara",
)  # fmt: skip
_ENGLISH_SURNAMES = (
    "Carter", "Bennett", "Okafor", "Lindqvist", "Murray", "Fernandez", "Novak", "Hughes", "Petrov", "Tan",
    "Sharma", "Keller", "Moreau", "Walsh", "Ferrari", "Dawson",
)  # fmt: skip
