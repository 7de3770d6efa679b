// A sender's program: it writes a request with the types that were generated from the published schema.
import type { Request, RequestOrWithdrawal, Withdrawal } from "./request.ts";

const request: Request = {
  use_case: "consultation_report",
  mailbox: "Y90001OT001",
  encounter: "7d3f0a52-encounter",
  patient: {
    nhs_number: "9658218873",
    name: { family: "MEAKIN", given: ["Mike"] },
    birth_date: "1927-06-19",
  },
  organisation: { ods_code: "Y90001", name: "Riverside Out of Hours", phone: "0113 496 0100" },
  consultation: {
    start: new Date(Date.UTC(2026, 10, 20, 19, 40)).toISOString(),
    sections: [{ title: "History", text: "Three days of cough – no fever." }],
  },
};
const withdrawal: Withdrawal = { kind: "withdraw", mailbox: request.mailbox, encounter: request.encounter };
const asked: RequestOrWithdrawal = process.argv[2] === "withdraw" ? withdrawal : request;
console.log(JSON.stringify(asked));
