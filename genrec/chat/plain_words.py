"""Words in which anything can be said of a list of items, and nothing can be named."""

from genrec.chat.phrases import BETWEEN_WORDS, NEGATORS, ORDINALS, SMALL_TALK
from genrec.semantic_ids.phrases import STOP_WORDS

PLAIN_WORDS = (
    STOP_WORDS
    | SMALL_TALK
    | BETWEEN_WORDS
    | NEGATORS
    | frozenset(ORDINALS)
    | frozenset(
        """
        affordable aim alternative alternatives answer answers appeal appeals ask asked asking
        available avoid avoided beautiful began begin believe belong belongs beyond birthday bit
        bright bring brings broad brother browse budget busy buying call called came care careful
        cart catalog catalogue catch categories category cater caters certain chance change cheap
        cheaper cheapest check cheers child children choice choices choose choosing chose chosen
        classic clear close closest collection color colors colour colours comfort comfortable comfy
        company compare compared complete consider cool cost costs couple cover covers criteria cut
        daily daughter day days deal deals dear dearer dearest decide deliver depend depending
        depends description deserve design designed detail details differ difference different
        directly don down durable eager ease easily eight eighty enjoy enjoyable enjoyed enough
        essential evening event everyday exact exactly excellent exclude excluded excluding expect
        expensive explore extra eye fair family fan fancy fans fantastic father favorite favorites
        favour favourite favourites feature features feel feels fifty fill filter filtered find
        finding finds fine finish fit fits fitting five flavor flavors flavour flavours focus
        focused follow following fond forty found four fourth free fresh friend friendly friends fun
        further gather general gentle gift gifts glad grandfather grandmother gratitude great guess
        guide half hand handpicked handy happens happy hear heard heart hello help helpful helping
        helps hi highest holiday home hope hopefully house hundred husband i idea ideal ideas
        imagine important improve include included includes including indeed indoor indoors interest
        interested interesting interests introduce item items itself keeping keeps kept kid kids
        kinds label large larger largest later latter leave leaves leaving left lets level light
        likes liking limit list listed lists live lived lovely lover lovers low lower lowest main
        manage mark match matched matches matching maximum mean meaning means meet meets mention
        mentioned mind minimum mom moment money month mood morning mother mum name narrow narrowed
        natural naturally nearly needed nine ninety notable note number numbers occasion offer
        offered offering offers older open opposite option options order orders outdoor outdoors
        outside pair pairs parent parents particular particularly party pass past pay people perfect
        perfectly perhaps person personal pick picked picking picks place plan please pleased
        pleasure plenty plus point popular possible practical prefer preference preferences
        preferred present presents pretty previous price priced prices pricey pricier product
        products promise proper provide provides purchase purchases quality question quick quickly
        quite range ranges rate rated reach read ready reason reasons recommendation recommendations
        recommended recommending refine regarding regular related relax relaxing rely remain
        remember request requested requests require respect rest result results return review right
        room rule ruled run safe sale save search searched section select selected selection sense
        serve serves set seven seventy share shop shopper shopping short show showed showing shown
        shows side simple simply single sister six sixty skip sleek slightly soft solid son sort
        sorts sound sounds special spend spending spirit split spot stand standard stands star start
        started starting starts stay stays step stick still stock stop store strong stuff style
        styles stylish suggest suggested suggesting suggestion suggestions suit suitable suited
        suits summer support suppose surely surprise taste tastes tell ten terrific thank thanks
        theme thinking thirty thought thousand three today together told tomorrow tonight tool top
        topic total touch treat tried trip trust turn turned twelve twenty type types unique unlike
        useful user usual valuable value variety version view wait walk wanted warm weather wedding
        week weekend weight welcome whatever whichever wide wife winter wise wish wished wishes
        within woman women won wonder wonderful word words work working works world worry worth
        write year years young yours

        aren couldn d didn doesn don hadn hasn haven isn ll m re s shouldn t ve wasn weren won
        wouldn
        """.split()
    )
)
