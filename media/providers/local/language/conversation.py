"""What callers say on any service line: the part of the recogniser's language model that every assistant shares."""

from __future__ import annotations

from collections.abc import Iterator

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
DAY_PARTS = ("morning", "afternoon", "evening")
HOURS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
DIGITS = ("zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_FIRST_NAMES_TEXT = (
    "john mary peter anna david sarah michael laura james linda robert susan thomas emma daniel julia paul karen "
    "mark lisa george helen steven nancy brian alice kevin maria edward jane"
)
_LAST_NAMES_TEXT = (
    "smith jones brown miller davis wilson taylor moore white harris martin clark lewis walker hall young king "
    "wright hill green baker adams nelson carter mitchell roberts turner phillips campbell parker"
)
FIRST_NAMES = tuple(_FIRST_NAMES_TEXT.split())
LAST_NAMES = tuple(_LAST_NAMES_TEXT.split())

_SENTENCES = """
hello
hello there
hi
hi there
hey
good morning
good afternoon
good evening
yes
yes please
yes i would
yes i do
yes that is right
yes that's right
yes that is correct
yes that works
yes that works for me
yes that sounds good
yes that is fine
yes that's fine
yes of course
yes exactly
yes go ahead
yeah
yeah sure
sure
okay
okay great
okay thank you
that is right
that's right
that is correct
that is fine
that's fine
that sounds good
that sounds great
that works for me
that would be great
that would be fine
sounds good
perfect
perfect thank you
great
great thank you
exactly
correct
right
of course
please do
go ahead
fine
no
no thank you
no thanks
no that's all
no that is all
no that is all thank you
no that's it
no that is it thank you
no that will be all
that's all
that is all
that is all thank you
that's it
nothing else
nothing else thank you
no it is not
no that is wrong
no that's wrong
no that is not right
that is wrong
that is not right
that is not what i said
i did not say that
not really
no not that
no sorry
wait
wait a moment
wait a minute
hold on
hold on please
just a moment
one moment please
one second
stop
stop it
never mind
forget it
actually no
actually yes
sorry
sorry i meant
i meant
i mean
let me think
i do not know
i don't know
i am not sure
i'm not sure
it does not matter
it doesn't matter
i don't mind
any time
any day
any of them
the first one
the second one
the last one
either is fine
whatever is best
as soon as possible
the earliest possible
pardon
pardon me
excuse me
what
what did you say
what was that
sorry what was that
sorry what did you say
sorry i did not hear you
i did not hear that
i did not understand
i did not get that
can you say that again
can you say that again please
could you say that again
could you say that again please
say that again
say that again please
can you repeat that
can you repeat that please
could you repeat that
could you repeat that please
please repeat that
repeat that please
can you speak more slowly
could you speak a little slower please
who are you
who is this
who am i speaking to
what is your name
what's your name
are you a robot
are you a real person
am i talking to a machine
how are you
how are you today
i am fine thank you
what can you do
what can i do here
what can you help me with
how can you help me
can you help me
can you help me please
could you help me
i need help
i need some help
i need some help please
i have a question
i have a quick question
i have another question
can i ask you something
can i ask a question
may i ask a question
there is one more thing
one more question
one more thing
i would like to know
i would like to know more
i want to know
i was wondering
i am calling about
i am calling because
i'm calling about
i would like to speak to someone
i would like to speak to a person
can i speak to a person
can i speak to a person please
can i talk to someone
can i talk to a real person
could i speak to a human please
i want to speak to a human
i want to talk to a person
i need to speak to someone
connect me to a person please
please transfer me
is anyone there
are you there
are you still there
can you hear me
thank you
thank you very much
thank you so much
thank you for your help
thank you that was helpful
thanks
thanks a lot
thanks very much
thanks so much
many thanks
thank you goodbye
thank you bye
thank you bye bye
thank you very much goodbye
thank you so much goodbye
thanks goodbye
thanks bye
thanks a lot bye
okay thank you goodbye
okay goodbye
okay bye
that is all thank you goodbye
no thank you goodbye
no that's all goodbye
goodbye
good bye
bye
bye bye
see you
see you then
see you soon
see you tomorrow
have a nice day
have a good day
you too
talk to you later
how long does it take
how long will it take
how much is it
how much is that
how much does it cost
how much will it cost
how much does that cost
what is the price
what are the prices
what are your prices
when is it
when is that
when are you open
when do you open
when do you close
what time do you open
what time do you close
what time is it
are you open today
are you open tomorrow
are you open now
are you open on weekends
are you open at the weekend
are you closed today
where are you
where are you located
where is it
where is that
what is your address
what's your address
what is the address
what is the phone number
what is your phone number
what is your email address
how do i get there
how can i find you
how do i find you
can i pay by card
can i pay by credit card
can i pay with a card
can i pay with a credit card
can i pay in cash
can i pay cash
can i come in today
can i come today
can i come tomorrow
could i come in tomorrow
do you have anything free
do you have anything earlier
do you have anything later
do you have something earlier
do you have time
is that possible
would that be possible
is that free
is it free
do i have to pay
do i need to bring anything
what do i need to bring
what should i bring
what else
and what about
what about
how about
i would prefer
i prefer
i would rather
rather
can i change that
i would like to change that
can we change that
i want to change it
i changed my mind
i need to cancel
i would like to cancel
i want to cancel
can i cancel
how do i cancel
i need it today
it is urgent
it is an emergency
please call me back
can you call me back
can you call me back tomorrow
please send me an email
send me a message please
i would like to leave a message
this is for me
it is for me
it is for my son
it is for my daughter
it is for my wife
it is for my husband
it is for my mother
""".strip().splitlines()

_TIME_OPENERS = ("", "at", "around", "after", "before", "maybe at", "no at", "yes at", "how about", "what about", "is")
_DAY_OPENERS = (
    "",
    "on",
    "no",
    "no on",
    "for",
    "actually",
    "maybe",
    "how about",
    "what about",
    "is",
    "yes",
    "let's say",
)


def base_sentences() -> Iterator[str]:
    """Sentences of any call: small talk, agreement, refusal, days, times, numbers, names."""
    yield from _SENTENCES
    yield from _times()
    yield from _days()
    for index, digit in enumerate(DIGITS):
        others = [DIGITS[(index * step + step) % len(DIGITS)] for step in (2, 3, 5, 7)]
        yield f"my number is {digit} {others[0]} {others[1]}"
        yield f"{digit} {others[2]} {others[3]} {others[0]}"
    for number in ("one", "two", "three", "four", "five", "six"):
        yield from (f"{number} please", f"for {number} people", f"there are {number} of us", f"number {number}")
    for first, last in zip(FIRST_NAMES, LAST_NAMES, strict=True):
        yield from (f"my name is {first} {last}", f"this is {first} {last}", f"{first} {last}", f"i am {first} {last}")


def day_phrases() -> Iterator[str]:
    """Ways to name a day or a part of one, without a preposition."""
    yield from ("today", "tomorrow", "this morning", "this afternoon", "this evening", "tonight", "next week")
    yield from ("the day after tomorrow", "this week", "next month", "the weekend")
    for part in DAY_PARTS:
        yield f"tomorrow {part}"
    for day in WEEKDAYS:
        yield from (day, f"next {day}", f"this {day}")
        for part in DAY_PARTS:
            yield f"{day} {part}"
    for index, month in enumerate(MONTHS):
        yield from (f"{month} {ordinal}" for ordinal in ("first", "fifth", "tenth", "twentieth")[index % 2 :: 2])
        yield f"the {('third', 'fourth', 'sixth', 'twelfth', 'fifteenth', 'thirtieth')[index % 6]} of {month}"


def time_phrases() -> Iterator[str]:
    """Ways to name a time of day, without a preposition."""
    yield from ("noon", "lunch time", "the morning", "the afternoon", "the evening")
    for index, hour in enumerate(HOURS):
        yield from (f"{hour} o'clock", f"{hour} thirty", f"half past {hour}", hour)
        yield from (f"quarter past {hour}", f"quarter to {hour}", f"{hour} fifteen", f"{hour} forty five")
        yield f"{hour} in the {DAY_PARTS[index % 2]}"
        yield f"{hour} {'a' if index > 5 else 'p'} m"


def _days() -> Iterator[str]:
    phrases = list(day_phrases())
    for index, phrase in enumerate(phrases):
        for offset in range(4):
            yield f"{_DAY_OPENERS[(index + offset * 3) % len(_DAY_OPENERS)]} {phrase}".strip()
        yield f"{phrase} please"
        yield f"no {phrase} instead"
        yield f"on {phrase} instead"
    for index, day in enumerate(WEEKDAYS):
        hour = HOURS[(index + 8) % 12]
        yield from (f"on {day} at {hour} o'clock", f"{day} at {hour}", f"on {day} in the {DAY_PARTS[index % 3]}")
        yield from (f"are you open on {day}", f"when do you open on {day}", f"when do you close on {day}")
        yield from (f"what time do you close on {day}", f"are you closed on {day}", f"is {day} possible")
        yield from (f"can i come on {day}", f"could i come in on {day}", f"do you have anything on {day}")
        yield from (f"do you have anything free on {day}", f"do you have time on {day}", f"{day} is better")
        yield from (f"{day} would be better", f"can we make it {day}", f"i would prefer {day}", f"i said {day}")
        yield from (f"i meant {day}", f"is {day} at {hour} possible", f"not on {day}", f"{day} works for me")


def _times() -> Iterator[str]:
    for index, phrase in enumerate(time_phrases()):
        for offset in range(3):
            yield f"{_TIME_OPENERS[(index + offset * 4) % len(_TIME_OPENERS)]} {phrase}".strip()
        yield f"{phrase} please"
        yield f"at {phrase} please"
        yield f"no at {phrase} instead"
    for part in DAY_PARTS:
        yield from (f"in the {part}", f"in the {part} please", f"the {part} is better", f"{part}", f"{part} please")
        yield from (f"in the {part} if possible", f"{part} would be better", f"rather in the {part}")
