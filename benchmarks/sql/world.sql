-- Who visits, when, and what for. Every choice is a hash of the seed, a label and a number, so
-- that neither threads nor the order of rows can change it.
create macro draw(label, key) as
    hash(key, label, getvariable('seed')) / 18446744073709551616.0::double;

create table products as
select
    product,
    format('P{:04d}', product) as item_id,
    format('Product {}', product) as item_name,
    ['Apparel', 'Bags', 'Drinkware', 'Office', 'Toys', 'Garden', 'Audio', 'Books'][
        1 + product % 8
    ] as item_category,
    ['Northwind', 'Acme', 'Umbra', 'Lumen'][1 + product % 4] as item_brand,
    (5 + floor(draw('price', product) * 195))::decimal(18, 2) + 0.95 as price
from range(2000) as numbers (product);

-- share: of sessions, in percent
create table channels as
select * from (values
    (30, null, null, null, null, null),
    (25, null, null, null, null, 'https://www.google.com/'),
    (12, 'google', 'cpc', 'search', 'gclid', 'https://www.google.com/'),
    (7, 'facebook', 'paid_social', 'social', 'fbclid', 'https://l.facebook.com/'),
    (5, null, null, null, null, 'https://www.instagram.com/'),
    (7, 'newsletter', 'email', 'weekly', null, null),
    (6, null, null, null, null, 'https://blog.partner.example/best-gifts'),
    (3, null, null, null, null, 'https://www.bing.com/'),
    (2, 'bing', 'cpc', 'search', 'msclkid', 'https://www.bing.com/'),
    (2, null, null, null, null, 'https://chatgpt.com/'),
    (1, 'dealsite', 'affiliate', 'deals', null, 'https://dealsite.example/')
) as listed (share, utm_source, utm_medium, campaign_prefix, click_id_type, referrer_url);

create table agents as
select * from (values
    (30, false, 'mobile', 'Safari', 'iOS',
     'Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Mobile/15E148 Safari/604.1'),
    (28, false, 'mobile', 'Chrome', 'Android',
     'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Mobile Safari/537.36'),
    (24, false, 'desktop', 'Chrome', 'Windows',
     'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36'),
    (8, false, 'desktop', 'Safari', 'Macintosh',
     'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15'),
    (5, false, 'desktop', 'Firefox', 'Windows',
     'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:135.0) Gecko/20100101 Firefox/135.0'),
    (5, false, 'tablet', 'Safari', 'iOS',
     'Mozilla/5.0 (iPad; CPU OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Mobile/15E148 Safari/604.1'),
    (70, true, 'desktop', 'Googlebot', '',
     'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)'),
    (30, true, 'desktop', 'AhrefsBot', '',
     'Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)')
) as listed (share, is_crawler, device_category, browser, operating_system, user_agent);

create table places as
select * from (values
    (38, 'US', 'United States', 'California', 'Los Angeles', 'en-us', 'America/Los_Angeles'),
    (14, 'DE', 'Germany', 'Berlin', 'Berlin', 'de-de', 'Europe/Berlin'),
    (12, 'GB', 'United Kingdom', 'England', 'London', 'en-gb', 'Europe/London'),
    (10, 'FR', 'France', 'Île-de-France', 'Paris', 'fr-fr', 'Europe/Paris'),
    (10, 'JP', 'Japan', 'Tokyo', 'Shinjuku', 'ja-jp', 'Asia/Tokyo'),
    (8, 'BR', 'Brazil', 'State of São Paulo', 'São Paulo', 'pt-br', 'America/Sao_Paulo'),
    (8, 'IN', 'India', 'Karnataka', 'Bengaluru', 'en-in', 'Asia/Kolkata')
) as listed (share, country_code, country, region, city, language, time_zone);

-- A draw picks one of a hundred slots, and the slot says what was drawn.
create macro slot_of(label, key) as 1 + floor(draw(label, key) * 100)::bigint;

create table channel_slots as
select row_number() over (order by channel, copy) as slot, channel
from (
    select rowid as channel, unnest(range(share)) as copy from channels
);

create table agent_slots as
select row_number() over (partition by is_crawler order by agent, copy) as slot, is_crawler, agent
from (
    select rowid as agent, is_crawler, unnest(range(share)) as copy from agents
);

create table place_slots as
select row_number() over (order by place, copy) as slot, place
from (
    select rowid as place, unnest(range(share)) as copy from places
);

-- How many devices are in each half; a rank is a device's place among them, the most active first.
create macro ranks() as getvariable('devices') // 2;

create macro first_day_of(rank) as
    floor(draw('first day', rank) * getvariable('days'))::bigint;

-- One row per device. Those of the second half come for the first time on one of the days, those of
-- the first half as many days earlier as there are, so that every day sees as many visits as the
-- next (of a single day, all are the second half's). Two devices in a row may belong to one person
-- who has an account; one device in a hundred is shared by two people. One device in a hundred is a
-- crawler, and the last of all is a scraper with a share of the events to itself.
create table devices as
with

drawn as (
    select
        device,
        device < getvariable('devices') and draw('crawler', device) < 0.01 as is_crawler,
        device = getvariable('devices') as is_scraper,
        not is_crawler and not is_scraper and draw('account', device // 2) < 0.25 as has_account
    from range(getvariable('devices') + 1) as numbers (device)
)

select
    drawn.device,
    drawn.is_crawler,
    drawn.is_scraper,
    case when drawn.has_account then drawn.device // 2 end as first_user,
    case when drawn.has_account and draw('shared', drawn.device) < 0.04
        then getvariable('devices') + drawn.device
    end as second_user,
    agent_slots.agent,
    place_slots.place
from drawn
inner join agent_slots
    on drawn.is_crawler = agent_slots.is_crawler
    and slot_of('agent', drawn.device) = agent_slots.slot
inner join place_slots on slot_of('place', drawn.device) = place_slots.slot;

create macro event_count_of(session_number, is_crawler) as case
    when is_crawler then 1 + floor(draw('length', session_number) * 60)
    when draw('bounce', session_number) < 0.35 then 1 + floor(draw('length', session_number) * 2)
    else least(80, 2 + floor(-9 * ln(1 - draw('length', session_number))))
end::bigint;

-- The most active half percent, 50 at least, come equally often: several times a day at first.
create macro flat_ranks() as greatest(50, ranks() / 200);

-- One row per visit. Activity follows Zipf's law (exponent 0.8, flat at its head); a device comes
-- back more rarely the longer ago its first day is. What would be after the last day was before the
-- first: a device of the older half did it.
create table sessions as
with

mean_length as (
    select avg(event_count_of(number, draw('crawler', number) < 0.01)) as events
    from range(100000) as numbers (number)
),

drawn as (
    select
        session_number,
        least(
            ranks() - 1,
            floor(
                pow(
                    draw('device', session_number)
                    * (pow(ranks() + flat_ranks(), 0.2) - pow(flat_ranks(), 0.2))
                    + pow(flat_ranks(), 0.2),
                    5
                ) - flat_ranks()
            )
        )::bigint as rank,
        floor(getvariable('days') * pow(draw('day', session_number), 1.6))::bigint as age
    from range((
        select round(getvariable('events') * (1 - getvariable('largest_device')) / events)::bigint
        from mean_length
    )) as numbers (session_number)
),

dated as (
    select
        session_number,
        (first_day_of(rank) + age) % getvariable('days') as day,
        rank
        + case when first_day_of(rank) + age < getvariable('days') then ranks() else 0 end
        as device
    from drawn
),

visits as (
    select
        dated.session_number,
        dated.device,
        devices.is_crawler,
        dated.day,
        event_count_of(dated.session_number, devices.is_crawler) as event_count,
        channel_slots.channel,
        draw('depth', dated.session_number) as depth_drawn,
        draw('logged in', dated.session_number) as login_drawn,
        case
            when draw('who', dated.session_number) < 0.4
                then coalesce(devices.second_user, devices.first_user)
            else devices.first_user
        end as user_number
    from dated
    inner join devices on dated.device = devices.device
    inner join channel_slots on slot_of('channel', dated.session_number) = channel_slots.slot
)

select
    session_number,
    device,
    case when is_crawler then 'crawler' else 'person' end as visitor,
    day,
    getvariable('first_day') + to_days(day::integer) + to_microseconds(
        -- few at night, most in the evening
        (24e6 * 3600 * pow(draw('hour', session_number), 0.7))::bigint
    ) as started_at,
    event_count,
    case
        when is_crawler then event_count * 2e6
        else (event_count - 1) * 35e6 * (0.2 - ln(1 - draw('pace', session_number)))
            * case when draw('left open', session_number) < 0.01 then 60 else 1 end
    end::bigint as duration_us,
    case
        when is_crawler or depth_drawn >= 0.3 then 0
        else least(
            event_count - 1,
            case
                when depth_drawn < 0.03 then 4
                when depth_drawn < 0.07 then 3
                when depth_drawn < 0.14 then 2
                else 1
            end
        )
    end as depth,
    case when not is_crawler then channel end as channel,
    -- Half of those with an account log in; half of these have done so before.
    case when login_drawn < 0.5 then user_number end as user_number,
    case when login_drawn < 0.25 then 0 else 1 end as login_position,
    floor(2000 * pow(draw('product', session_number), 2))::bigint as product
from visits
union all
-- the scraper, every hour of every day
select
    1099511627776 + hour,
    getvariable('devices'),
    'scraper',
    hour // 24,
    getvariable('first_day') + to_hours(hour::integer),
    round(
        getvariable('events') * getvariable('largest_device') / (24 * getvariable('days'))
    )::bigint,
    3600000000,
    0,
    null,
    null,
    0,
    0
from range(24 * getvariable('days')) as hours (hour);

-- One row per delivery of an event, in the order of the days on which its visit began.
create table deliveries (
    event_number bigint,
    delivery tinyint,
    arrival_day smallint,
    arrived_at timestamp,
    occurred_at timestamp,
    session_number bigint,
    session_started_at timestamp,
    position integer,
    device bigint,
    user_number bigint,
    event_name varchar,
    page_path varchar,
    product smallint,
    quantity tinyint,
    channel tinyint,
    campaign_number tinyint
);
