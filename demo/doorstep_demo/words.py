"""What borrowers answer, and what collectors note at the door, in both languages. Data only."""

from collections.abc import Mapping, Sequence

from doorstep.events.values import Language

WORDS: Mapping[str, Mapping[Language, Sequence[str]]] = {
    "thanks": {
        "zh-CN": ("已经还了，谢谢提醒。", "还上了，请查收。", "不好意思忘了，刚刚已还。"),
        "en": ("Paid just now, thanks for the reminder.", "Sorry, it slipped my mind. It is paid now."),
    },
    "noted": {
        "zh-CN": ("知道了。", "好的，这两天处理。", "在开会，晚点看。"),
        "en": ("Noted.", "OK, I will look at it this week.", "In a meeting, later please."),
    },
    "promise": {
        "zh-CN": ("发了工资就还，{date}之前还清{amount}元。", "请宽限几天，{date}一定还{amount}元。"),
        "en": (
            "I get paid soon and will pay {currency} {amount} by {date}.",
            "Please give me until {date} for the {currency} {amount}.",
        ),
    },
    "part": {
        "zh-CN": ("手头有点紧，先还一部分可以吗？", "我先转一部分，剩下的过些天补上。"),
        "en": (
            "Money is tight, I will send a part of it first.",
            "Paying part now and the rest in some days.",
        ),
    },
    "dispute": {
        "zh-CN": ("这笔我早就还过了，有转账凭证，请核实。", "金额不对，扣款那天卡里有钱，是你们没扣成功。"),
        "en": (
            "I already paid this and have the transfer slip. Please check.",
            "The amount is wrong: the account was covered on the day and you did not collect it.",
        ),
    },
    "dispute-answered": {
        "zh-CN": ("我们逐笔核对了账户，未见您所说的还款；附上账户明细。若有转账凭证，请寄给我们再核。",),
        "en": (
            "We went through the account line by line and found no such payment; the statement is enclosed. If you"
            " have a transfer slip, send it to us and we shall look again.",
        ),
    },
    "hardship": {
        "zh-CN": ("我住院了，下个月才能上班，能不能申请延期？", "家里人做手术，积蓄都用了，想申请分期。"),
        "en": (
            "I am in hospital and back at work next month only. Can I defer the payment?",
            "My mother had surgery and our savings are gone. I would like to ask for smaller instalments.",
        ),
    },
    "complaint": {
        "zh-CN": ("你们昨天的语气我不能接受，我要投诉。", "请把投诉渠道发给我，我要正式投诉。"),
        "en": (
            "I do not accept the tone of your last call. I want to complain.",
            "Send me the address for complaints, I am making one.",
        ),
    },
    "opt-out": {
        "zh-CN": ("请不要再联系我。", "以后不要再给我发消息、打电话。"),
        "en": ("Stop contacting me.", "Do not write or call me again."),
    },
    "wrong-number": {
        "zh-CN": ("你打错了，我不认识这个人。", "这个号码我上个月才办的，别再发了。"),
        "en": (
            "Wrong number, I do not know this person.",
            "I have had this number for a month only. Please stop.",
        ),
    },
    "nobody-home": {
        "zh-CN": ("敲门无人应答，邻居称白天上班。", "家中无人，未留任何材料。"),
        "en": (
            "Nobody opened; a neighbour says they work during the day.",
            "Nobody home; nothing was left behind.",
        ),
    },
    "refused": {
        "zh-CN": ("本人开门后表示不愿交谈，我方随即离开。", "隔门拒绝，未入户，已离开。"),
        "en": (
            "Opened the door, did not want to talk; we left at once.",
            "Refused through the door; we left.",
        ),
    },
    "wrong-address": {
        "zh-CN": ("现住户称租住半年，不认识借款人。", "该户已搬走，物业无新地址。"),
        "en": (
            "The tenant has lived here for half a year and does not know the borrower.",
            "Moved away; no new address.",
        ),
    },
    "at-door-forgot": {
        "zh-CN": ("本人在家，说换了工资卡忘了存钱，态度配合。", "出差一个多月没看短信，当面确认了金额。"),
        "en": (
            "Changed the salary account and forgot to fund the old one; friendly.",
            "Was travelling and had not read messages; confirmed the amount.",
        ),
    },
    "at-door-cash-flow": {
        "zh-CN": ("小店货款没收回来，周转不开，愿意分次还。", "公司拖欠两个月工资，等发放后处理。"),
        "en": (
            "Runs a small shop, customers pay late; wants to pay in parts.",
            "The employer owes two months of wages.",
        ),
    },
    "at-door-unemployment": {
        "zh-CN": ("上月被裁员，正在找工作，靠配偶收入。", "工厂停工，现在打零工，收入不稳定。"),
        "en": (
            "Laid off last month and looking for work; lives on the spouse's income.",
            "The factory is idle; odd jobs only.",
        ),
    },
    "at-door-illness": {
        "zh-CN": ("本人术后在家休养，出示了出院小结，建议转困难减免。", "长期透析，家属在场，建议停止上门。"),
        "en": (
            "Recovering from surgery, showed the discharge letter; suggest hardship terms.",
            "On dialysis, family present; suggest no further visits.",
        ),
    },
    "at-door-dispute": {
        "zh-CN": ("坚持已还款并出示转账截图，已告知投诉渠道。", "对罚息有异议，要求书面核对，已记录。"),
        "en": (
            "Insists it was paid and showed a transfer; told how to complain.",
            "Objects to the penalty interest and wants it in writing; noted.",
        ),
    },
    "at-door-other": {
        "zh-CN": ("称与家人有纠纷，不愿多谈，已留联系方式。", "换了手机号未通知银行，已登记新号码。"),
        "en": (
            "A family quarrel, did not want to say more; left our contact.",
            "Changed numbers without telling the bank; new number noted.",
        ),
    },
}
