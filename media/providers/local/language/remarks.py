"""Things that are said on any service line, one a line: greetings, agreement, refusal, small talk, common questions."""

from __future__ import annotations

FREQUENT = (
    *("hello", "hello good morning", "hello good afternoon", "yes", "yes please", "yes that is right", "no", "okay"),
    *("no thank you", "no that is all thank you", "thank you", "thank you very much", "please", "sorry", "pardon"),
    *("thank you goodbye", "thank you bye", "goodbye", "okay goodbye", "bye", "bye bye", "no that's all goodbye"),
)
"""What every second utterance of a call is: agreement, refusal, thanks, and hello and goodbye once each."""

SENTENCES = tuple(
    """
hello
hello there
hello good morning
hello good afternoon
hello good evening
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
who am i talking to
what is this place
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
what can you tell me
what can i ask you
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
can i speak to someone
can i speak to somebody
can i speak to somebody please
could i talk to somebody please
i would like to speak to somebody
can i talk to someone
can i talk to a real person
could i speak to a human please
i want to speak to a human
i want to talk to a person
i need to speak to someone
connect me to a person please
please transfer me
is anyone there
is anybody there
hello is anyone there
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
how do i get to you
where can i find you
where exactly are you
which street are you on
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
)
