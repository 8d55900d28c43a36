"""Mainland China and Taiwan: cities, names and streets in both languages. Data only."""

from decimal import Decimal

from doorstep_demo.country import HOUSE, Both, City, Country, Names


def _city(zh: str, en: str, region: str, place: tuple[float, float], weight: int, *districts: Both) -> City:
    zone = {"CN-XJ": "Asia/Urumqi"}.get(region, "Asia/Taipei" if region.startswith("TW") else "Asia/Shanghai")
    return City(zh, en, region, *place, weight, districts, zone)


CHINA = Country(
    code="CN",
    clock="Asia/Shanghai",
    one_clock=True,
    language="zh-CN",
    foreigners=0.06,
    currency="CNY",
    rate=Decimal(1),
    step=Decimal("0.01"),
    cities=(
        _city("广东省深圳市", "Shenzhen", "CN-GD", (22.5446, 114.0545), 10,
            ("南山区", "Nanshan District"), ("福田区", "Futian District"), ("龙岗区", "Longgang District"),
            ("宝安区", "Bao'an District")),
        _city("广东省广州市", "Guangzhou", "CN-GD", (23.1291, 113.2644), 9,
            ("天河区", "Tianhe District"), ("越秀区", "Yuexiu District"), ("番禺区", "Panyu District")),
        _city("上海市", "Shanghai", "CN-SH", (31.2304, 121.4737), 10,
            ("浦东新区", "Pudong New Area"), ("徐汇区", "Xuhui District"), ("闵行区", "Minhang District"),
            ("杨浦区", "Yangpu District")),
        _city("北京市", "Beijing", "CN-BJ", (39.9042, 116.4074), 8,
            ("朝阳区", "Chaoyang District"), ("海淀区", "Haidian District"), ("丰台区", "Fengtai District")),
        _city("浙江省杭州市", "Hangzhou", "CN-ZJ", (30.2741, 120.1551), 7,
            ("西湖区", "Xihu District"), ("滨江区", "Binjiang District"), ("余杭区", "Yuhang District")),
        _city("四川省成都市", "Chengdu", "CN-SC", (30.5728, 104.0668), 8,
            ("武侯区", "Wuhou District"), ("锦江区", "Jinjiang District"), ("成华区", "Chenghua District")),
        _city("湖北省武汉市", "Wuhan", "CN-HB", (30.5928, 114.3055), 7,
            ("洪山区", "Hongshan District"), ("江汉区", "Jianghan District"), ("武昌区", "Wuchang District")),
        _city("江苏省南京市", "Nanjing", "CN-JS", (32.0603, 118.7969), 6,
            ("鼓楼区", "Gulou District"), ("建邺区", "Jianye District"), ("江宁区", "Jiangning District")),
        _city("重庆市", "Chongqing", "CN-CQ", (29.5630, 106.5516), 6,
            ("渝北区", "Yubei District"), ("江北区", "Jiangbei District"), ("南岸区", "Nan'an District")),
        _city("陕西省西安市", "Xi'an", "CN-SN", (34.3416, 108.9398), 5,
            ("雁塔区", "Yanta District"), ("未央区", "Weiyang District"), ("碑林区", "Beilin District")),
        _city("湖南省长沙市", "Changsha", "CN-HN", (28.2282, 112.9388), 5,
            ("岳麓区", "Yuelu District"), ("雨花区", "Yuhua District"), ("开福区", "Kaifu District")),
        _city("山东省青岛市", "Qingdao", "CN-SD", (36.0671, 120.3826), 4,
            ("市南区", "Shinan District"), ("崂山区", "Laoshan District")),
        _city("辽宁省沈阳市", "Shenyang", "CN-LN", (41.8057, 123.4315), 4,
            ("和平区", "Heping District"), ("沈河区", "Shenhe District")),
        _city("福建省厦门市", "Xiamen", "CN-FJ", (24.4798, 118.0894), 4,
            ("思明区", "Siming District"), ("湖里区", "Huli District")),
        _city("新疆维吾尔自治区乌鲁木齐市", "Urumqi", "CN-XJ", (43.8256, 87.6168), 2,
            ("天山区", "Tianshan District"), ("沙依巴克区", "Saybagh District")),
    ),
    names=Names(
        women="静怡婷娜芳敏丽娟艳萍玲倩琳莹雪慧洁欣妍岚燕兰梅霞悦瑶涵彤",
        men="伟强磊军洋勇杰涛超鹏辉斌波峰刚龙凯浩宁东亮平林辰轩博毅然",
        middle="子雨佳思文嘉晓志海俊天宇建国永春小玉秀美丽晨欣雅若诗梓浩泽明家德",
        surnames={
            "王": 72, "李": 71, "张": 68, "刘": 54, "陈": 46, "杨": 31, "黄": 22, "赵": 21, "吴": 20, "周": 20,
            "徐": 15, "孙": 15, "马": 13, "朱": 12, "胡": 12, "郭": 12, "何": 11, "林": 11, "高": 10, "罗": 10,
            "郑": 9, "梁": 9, "谢": 8, "宋": 7, "唐": 7, "许": 7, "韩": 6, "邓": 6, "冯": 6, "曹": 6,
            "彭": 5, "曾": 5, "肖": 5, "田": 5, "董": 5, "潘": 4, "蒋": 4, "蔡": 4, "余": 4, "杜": 4,
            "叶": 4, "程": 4, "苏": 4, "魏": 4, "吕": 4, "丁": 4, "沈": 3, "欧阳": 1, "上官": 1,
        },
        surname_first=True,
        space="",
    ),
    phones=tuple(
        f"+86 {prefix} {block:04} ####"
        for block in range(10)
        for prefix in (199, 198, 195, 193, 191, 190, 197)
    ),
    streets=(
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
    ),
    estates=(
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
    ),
    address={"zh-CN": "{city}{district}{street}{number}号{estate}{block}栋{room}室", "en": HOUSE},
    agencies=("安信调解", "和谐服务"),
)  # fmt: skip

TAIWAN = Country(
    code="TW",
    clock="Asia/Taipei",
    language="zh-CN",
    foreigners=0.06,
    currency="TWD",
    rate=Decimal(4),
    step=Decimal(1),
    cities=(
        _city("臺北市", "Taipei", "TW-TPE", (25.0375, 121.5637), 10,
            ("大安區", "Da'an District"), ("中山區", "Zhongshan District"), ("士林區", "Shilin District")),
        _city("新北市", "New Taipei", "TW-NWT", (25.0120, 121.4657), 14,
            ("板橋區", "Banqiao District"), ("三重區", "Sanchong District"), ("新店區", "Xindian District")),
        _city("桃園市", "Taoyuan", "TW-TAO", (24.9937, 121.3010), 8,
            ("中壢區", "Zhongli District"), ("八德區", "Bade District")),
        _city("臺中市", "Taichung", "TW-TXG", (24.1477, 120.6736), 10,
            ("西屯區", "Xitun District"), ("北屯區", "Beitun District"), ("豐原區", "Fengyuan District")),
        _city("臺南市", "Tainan", "TW-TNN", (22.9999, 120.2269), 6,
            ("東區", "East District"), ("永康區", "Yongkang District")),
        _city("高雄市", "Kaohsiung", "TW-KHH", (22.6273, 120.3014), 9,
            ("苓雅區", "Lingya District"), ("左營區", "Zuoying District"), ("鳳山區", "Fengshan District")),
        _city("花蓮縣花蓮市", "Hualien City", "TW-HUA", (23.9872, 121.6015), 2,
            ("國聯里", "Guolian"), ("主權里", "Zhuquan")),
    ),
    names=Names(
        women="怡婷淑芬雅惠美玲佳穎欣妤雯慧",
        men="志豪宏偉俊傑冠宇家銘承翰建文哲維",
        middle="家怡雅淑美志俊宗冠佳承柏詩文建心",
        surnames={"陳": 111, "林": 83, "黃": 60, "張": 53, "李": 51, "王": 41, "吳": 40, "劉": 32, "蔡": 29, "楊": 27,
            "許": 23, "鄭": 19, "謝": 18, "洪": 15, "郭": 15, "邱": 15, "曾": 14, "廖": 14, "賴": 13, "徐": 13},
        surname_first=True,
        space="",
    ),
    phones=tuple(f"+886 940 {block:03} ###" for block in range(100)),
    streets=(
        ("中正路", "Zhongzheng Road"),
        ("中山北路", "Zhongshan North Road"),
        ("民生東路", "Minsheng East Road"),
        ("復興路", "Fuxing Road"),
        ("忠孝路", "Zhongxiao Road"),
        ("信義路", "Xinyi Road"),
        ("文化路", "Wenhua Road"),
        ("和平路", "Heping Road"),
    ),
    address={
        "zh-CN": "{city}{district}{street}{number}號{block}樓",
        "en": "{block}F., No. {number}, {street}, {district}, {city}",
    },
    agencies=("誠信管理", "安和服務"),
)  # fmt: skip
