"""What collectors have to do at the door, as they read it: (zh-CN, en)."""

from collections.abc import Mapping

from doorstep.events.escalation.permits import Duty

SENTENCES: Mapping[Duty, tuple[str, str]] = {
    "show-identity": (
        "开门后先出示工作证件，说明姓名、所属机构和受谁委托。",
        "Before anything else, show your identity card and say your name, your agency and for whom you come.",
    ),
    "show-authorisation": (
        "主动出示委托书，让借款人看清并有时间核实。",
        "Show the written authorisation unasked, and leave the borrower time to verify it.",
    ),
    "record-throughout": (
        "从进门前到离开全程录音录像，并先告知借款人正在录制。",
        "Record sound and picture from before the door until you have left, and tell the borrower first.",
    ),
    "no-entry-without-consent": (
        "未经借款人明确同意不得进入住所；借款人可以随时收回同意。",
        "Do not enter without the borrower's express consent, which they may take back at any time.",
    ),
    "take-no-money": (
        "不得收取现金或财物，也不得请借款人转账到个人账户；请借款人通过官方渠道还款。",
        "Take no cash and no goods, and name no private account: payment goes through the official channels.",
    ),
    "explain-purpose": (
        "说明来意、逾期金额，以及借款人提出异议和投诉的方式；只与借款人本人谈论。",
        "Explain why you come, what is overdue, and how to object or complain; speak of it with the borrower alone.",
    ),
    "leave-when-asked": (
        "借款人请您离开时立即离开，并在报告中记录。",
        "Leave at once when you are asked to, and say so in your report.",
    ),
}
